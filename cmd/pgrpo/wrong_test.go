package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A run whose process is gone, and that is judged on a server that has nothing to do
// with it, keeps its slot: where its own servers are named, the stream is followed
// to its end.
func TestCompareOnTheWrongServer(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "run", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"),
		"--run-dir", runDir, "--parallel-workers=2", "--warmup-duration=500ms", "--duration=10m")
	cmd.Env = append(os.Environ(), asPgrpo+"=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := untilMarkers(t.Context(), p.primary, 200); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	runs, err := filepath.Glob(filepath.Join(runDir, "*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs: %v, %v", runs, err)
	}
	on := func(dsn string) result {
		return pgrpo(t, "compare", "--primary-pgdsn", dsn, "--repo-pgdsn", p.repo.DSN("postgres"), "--run-dir", runDir, "--capture-timeout=10s",
			"--expect=none", filepath.Base(runs[0]))
	}
	if r := on(p.repo.DSN("template1")); r.status != exitInconclusive || !strings.Contains(r.stderr, "may be left") {
		t.Errorf("on the wrong server: status %d, want %d and word of the slot", r.status, exitInconclusive)
	}
	on(p.primary.DSN("postgres"))
	if rep := judged(t, runDir); !rep.Capture.Complete {
		t.Errorf("on the right server the stream is not complete: %+v", rep.Capture)
	}
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left: %s", rest)
	}
}
