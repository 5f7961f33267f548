package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A judgement found the standby to be the survivor, after it had been promoted
// beside its primary. A later one that is asked of the old primary alone, or that
// the survivor does not answer, does not take the old primary for the survivor.
func TestOldPrimaryAloneIsNoSurvivor(t *testing.T) {
	c, repo := openCluster(t)
	runDir := t.TempDir()
	r := pgrpo(t, "run", "--primary-pgdsn", c.DSN(), "--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir,
		"--parallel-workers=2", "--rate=200", "--warmup-duration=500ms", "--duration=3s", "--expect=none")
	if r.status != 0 {
		t.Fatalf("status %d, want 0", r.status)
	}
	runs, err := filepath.Glob(filepath.Join(runDir, "*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs: %v, %v", runs, err)
	}
	compare := func(dsn string) result {
		t.Helper()
		return pgrpo(t, "compare", "--primary-pgdsn", dsn, "--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir, "--expect=none", filepath.Base(runs[0]))
	}
	alone := c.Primary.DSN("postgres")
	if r := compare(alone); r.status != 0 || !strings.Contains(r.stdout, c.Standby.Addr()+", a node of the run, was not asked") {
		t.Errorf("before the promotion: status %d, want 0 and the node that was not asked named", r.status)
	}
	if err := c.Standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(c.DSN())
	if rep := judged(t, runDir); len(rep.Nodes) != 2 || rep.Nodes[0].Role != "zombie" || !rep.Nodes[1].Survivor {
		t.Fatalf("the promoted standby is not the survivor: %+v", rep.Nodes)
	}
	outrun := func(dsn string) {
		t.Helper()
		for range 2 {
			if r := compare(dsn); r.status != 2 || !strings.Contains(unwrapped(r.stdout), "an earlier judgement found "+c.Standby.Addr()) {
				t.Errorf("status %d, want 2 and the earlier survivor named", r.status)
			}
		}
	}
	outrun(alone)
	if err := c.Standby.Kill(); err != nil {
		t.Fatal(err)
	}
	outrun(c.DSN())
}

// unwrapped is a text without the places where its lines were broken.
func unwrapped(s string) string { return strings.Join(strings.Fields(s), " ") }
