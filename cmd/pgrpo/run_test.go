package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/scenario"
)

// A run in which nothing happens proves nothing, unless that is what was
// expected.
func TestNothingHappens(t *testing.T) {
	p := openPair(t)
	for _, tc := range []struct {
		expect string
		status int
		says   string
	}{{"fault", 2, "no fault was seen"}, {"none", 0, "MET"}} {
		runDir := t.TempDir()
		r := pgrpo(t, p.quick(runDir, "--expect="+tc.expect)...)
		if r.status != tc.status || !strings.Contains(r.stdout, tc.says) {
			t.Errorf("--expect %s: status %d, want %d and %q", tc.expect, r.status, tc.status, tc.says)
		}
		if rest := left(t, p.primary); rest != "" {
			t.Errorf("left on the primary: %s", rest)
		}
	}
}

// Two runs at once on one primary, with one repo, each judge only their own.
func TestTwoRunsAtOnce(t *testing.T) {
	p := openPair(t)
	var wait sync.WaitGroup
	dirs := []string{t.TempDir(), t.TempDir()}
	for i, dir := range dirs {
		wait.Go(func() {
			if r := pgrpo(t, p.quick(dir, "--expect=none", fmt.Sprintf("--seed=%d", i))...); r.status != 0 {
				t.Errorf("status %d, want 0", r.status)
			}
		})
	}
	wait.Wait()
	a, b := judged(t, dirs[0]), judged(t, dirs[1])
	if a.Run.ID == b.Run.ID {
		t.Errorf("both are run %s", a.Run.ID)
	}
	n, err := p.primary.Value(t.Context(), "select count(*) from pgrpo.marker where worker >= 0")
	if want := fmt.Sprint(a.Attempts.Acked + b.Attempts.Acked); err != nil || n != want {
		t.Errorf("%s markers for %s acks: %v", n, want, err)
	}
}

// cluster is what a failover is caused on from outside.
func openCluster(t *testing.T) (*scenario.Cluster, *sandbox.Server) {
	t.Helper()
	box := sandboxtest.Open(t)
	c, err := scenario.Build(t.Context(), box, scenario.LossyFailover)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	repo, err := box.Primary(t.Context(), "repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, repo
}

// The fault comes from --fault-cmd, the service has two hosts.
func TestFaultCommandAgainstTwoHosts(t *testing.T) {
	c, repo := openCluster(t)
	dir := t.TempDir()
	wanted, done := filepath.Join(dir, "wanted"), filepath.Join(dir, "done")
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := untilFile(t.Context(), wanted); err != nil {
			t.Error(err)
			return
		}
		if err := lose(t.Context(), c); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	runDir := t.TempDir()
	r := pgrpo(t, "run", "--primary-pgdsn", c.DSN(), "--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir,
		"--parallel-workers=3", "--warmup-duration=1", "--duration=4", "--ops-per-txn=2",
		"--fault-cmd", fmt.Sprintf("touch %s; while [ ! -e %s ]; do sleep 0.05; done", wanted, done))
	wait.Wait()
	if r.status != 1 || !strings.Contains(r.stdout, "BREACHED") {
		t.Errorf("status %d, want 1", r.status)
	}
	rep := judged(t, runDir)
	if rep.RPO.Transactions == 0 || !rep.Witnesses.Agree || rep.Run.FaultsSeen == 0 {
		t.Errorf("lost %d, witnesses agree: %t, faults seen: %d", rep.RPO.Transactions, rep.Witnesses.Agree, rep.Run.FaultsSeen)
	}
}

// The fault is caused by hand, behind one endpoint that moves.
func TestEndpointThatMoves(t *testing.T) {
	c, repo := openCluster(t)
	endpoint, err := relay.Listen(context.WithoutCancel(t.Context()), c.Primary.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	runDir := t.TempDir()
	r := failedOver(t, c, func() error { endpoint.Retarget(c.Standby.Addr()); return nil },
		"--primary-pgdsn", c.Primary.DSNAt(endpoint.Addr(), "postgres"), "--repo-pgdsn", repo.DSN("postgres"),
		"--run-dir", runDir, "--parallel-workers=3")
	if r.status != 1 {
		t.Errorf("status %d, want 1", r.status)
	}
	rep := judged(t, runDir)
	if rep.RPO.Transactions == 0 || !rep.Witnesses.Agree || len(rep.Branches) != 2 {
		t.Errorf("lost %d, witnesses agree: %t, branches %v", rep.RPO.Transactions, rep.Witnesses.Agree, rep.Branches)
	}
}

// pgrpo is killed in the middle of a lossy failover; compare finishes the run
// and claims nothing false.
func TestCompareFinishesAKilledRun(t *testing.T) {
	c, repo := openCluster(t)
	runDir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "run", "--primary-pgdsn", c.DSN(), "--repo-pgdsn", repo.DSN("postgres"),
		"--run-dir", runDir, "--parallel-workers=3", "--warmup-duration=500ms", "--duration=10m")
	cmd.Env = append(os.Environ(), asPgrpo+"=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := untilMarkers(t.Context(), c.Primary, 500); err != nil {
		t.Fatal(err)
	}
	if err := lose(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	// The repo has all that was acknowledged before: entries come in order.
	err := untilHolds(t.Context(), repo, `select count(distinct e.worker) = 3 from pgrpo.entry e
		join pgrpo.connection c on (c.run, c.observer, c.number) = (e.run, e.driver, e.conn) where c.timeline = 2 and e.outcome = 'acked'`)
	if err != nil {
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
	args := []string{"compare", "--primary-pgdsn", c.DSN(), "--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir, filepath.Base(runs[0])}
	for range 2 {
		r := pgrpo(t, args...)
		if r.status != 1 {
			t.Errorf("status %d, want 1: the loss is proven, whatever else is not", r.status)
		}
	}
	rep := judged(t, runDir)
	if err := c.Primary.StartAlone(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead, survivor := markersOf(t, c.Primary), markersOf(t, c.Standby)
	gone := 0
	for id := range dead {
		if !survivor[id] {
			gone++
		}
	}
	if lost := rep.RPO.Transactions; lost == 0 || lost > int64(gone) || lost < int64(gone)-3 {
		t.Errorf("%d called lost, and %d markers of the dead primary are gone", lost, gone)
	}
	for _, class := range []string{"alien_row", "phantom_transaction", "hole", "witness_disagreement"} {
		for _, f := range rep.Findings {
			if f.Class == class {
				t.Errorf("%d of class %s: %v", f.Count, class, f.Sample)
			}
		}
	}
}

func markersOf(t *testing.T, v *sandbox.Server) map[string]bool {
	t.Helper()
	text, err := v.Value(t.Context(), "select string_agg(worker || ' ' || seq, ',') from pgrpo.marker where worker >= 0")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for id := range strings.SplitSeq(text, ",") {
		found[id] = true
	}
	return found
}
