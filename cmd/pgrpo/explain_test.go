package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// What explain refuses: testdata/explain is the table.
func TestExplainRefuses(t *testing.T) {
	p := openPair(t)
	runs := t.TempDir()
	if r := pgrpo(t, p.quick(runs, "--expect", "none")...); r.status != exitMet {
		t.Fatalf("status %d", r.status)
	}
	entries, err := os.ReadDir(runs)
	if err != nil || len(entries) != 1 {
		t.Fatalf("runs %v, %v", entries, err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/explain",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PRIMARY", p.primary.DSN("postgres"))
			e.Setenv("REPO", p.repo.DSN("postgres"))
			e.Setenv("OWN", p.primary.Dir())
			e.Setenv("OTHER", p.repo.Dir())
			e.Setenv("RUNS", runs)
			e.Setenv("RUN", entries[0].Name())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"refused": refused},
	})
}
