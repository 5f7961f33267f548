package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A judgement that cannot be kept is printed with its reason, and meets nothing.
func TestReportCannotBeKept(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	done := make(chan error)
	go func() {
		err := untilFile(t.Context(), filepath.Join(runDir, "*", "run.json"))
		if err == nil {
			var records []string
			records, err = filepath.Glob(filepath.Join(runDir, "*", "run.json"))
			for _, path := range records {
				err = os.MkdirAll(filepath.Join(filepath.Dir(path), "report.json", "in the way"), 0o700)
			}
		}
		done <- err
	}()
	r := pgrpo(t, p.quick(runDir, "--expect=none", "--warmup-duration=0", "--duration=300ms")...)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
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
	r := pgrpo(t, p.quick(t.TempDir(), "--expect=none", "--duration=0", "--warmup-duration=0")...)
	if r.status != exitInconclusive || !strings.Contains(r.stdout, "no attempt was acknowledged") || strings.Contains(r.stdout, "descend") {
		t.Errorf("status %d, want %d and that nothing was acknowledged", r.status, exitInconclusive)
	}
}
