package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A judgement that cannot be kept is printed with its reason, and meets nothing.
func TestReportCannotBeKept(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	r := pgrpo(t, p.quick(runDir, "--expect=none", "--fault-cmd", "for run in '"+runDir+"'/*; do mkdir -p \"$run/report.json/in the way\"; done")...)
	if r.status != exitInconclusive || !strings.Contains(r.stdout, "INCONCLUSIVE") || !strings.Contains(r.stdout, "report.json") {
		t.Errorf("status %d, want %d, the verdict and why", r.status, exitInconclusive)
	}
	if rest, _ := filepath.Glob(filepath.Join(runDir, "*", "report.json.*")); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
}

// A load without an acknowledgement says so, and blames no server.
func TestNothingWasAcknowledged(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn="+p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	// A load of no time at all may still have time for a transaction.
	if err := p.primary.Exec(t.Context(), "alter table pgrpo.marker add check (worker < 0)"); err != nil {
		t.Fatal(err)
	}
	r := pgrpo(t, p.quick(t.TempDir(), "--expect=none", "--duration=0", "--warmup-duration=0")...)
	if r.status != exitInconclusive || !strings.Contains(r.stdout, "no attempt was acknowledged") || strings.Contains(r.stdout, "descend") {
		t.Errorf("status %d, want %d and that nothing was acknowledged", r.status, exitInconclusive)
	}
}
