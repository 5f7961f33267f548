package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A run below a directory that others use too takes a number that nobody has,
// and touches nothing of theirs: their clusters know nothing of each other.
func TestDirectoryOfAnotherRun(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	now := txn.Run(time.Now().Unix())
	var others []string
	for n := now; n < now+5; n++ {
		file := filepath.Join(runDir, run.RunName(n), "journal", "1.journal")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
		others = append(others, file)
	}
	if r := pgrpo(t, p.quick(runDir, "--expect=none")...); r.status != 0 {
		t.Errorf("status %d, want 0", r.status)
	}
	for _, file := range others {
		if body, err := os.ReadFile(file); string(body) != "theirs" {
			t.Errorf("a file of another run: %q, %v", body, err)
		}
	}
	if rep := judged(t, runDir); rep.Attempts.Acked == 0 {
		t.Error("nothing was acknowledged")
	}
}
