package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
)

// pooled starts a pgbouncer in transaction mode with fewer server connections
// than there are workers.
func pooled(t *testing.T, box *sandbox.Sandbox, to *sandbox.Server, settings map[string]string) *sandbox.Pooler {
	t.Helper()
	all := map[string]string{"default_pool_size": "2"}
	for name, value := range settings {
		all[name] = value
	}
	p, err := box.Pooler(t.Context(), "pooler", to, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("pgbouncer %s", p.Version)
	return p
}

// Only a pooler is known: the run goes on without the stream, and says so.
func TestPoolerAlone(t *testing.T) {
	p := openPair(t)
	pool := pooled(t, sandboxOf(t), p.primary, nil)
	runDir := t.TempDir()
	args := p.quick(runDir, "--expect=none", "--parallel-workers=5")
	args[2] = pool.DSN("postgres")
	r := pgrpo(t, args...)
	if r.status != 0 {
		t.Errorf("status %d, want 0", r.status)
	}
	if rep := judged(t, runDir); rep.Witnesses.Log.Heard || rep.Attempts.Acked == 0 || rep.Attempts.Failed > 0 {
		t.Errorf("log heard: %t, attempts %+v", rep.Witnesses.Log.Heard, rep.Attempts)
	}
	// A later command, which may find the pooler gone, must know of it.
	kept, err := filepath.Glob(filepath.Join(runDir, "*", "run.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("run.json: %v, %v", kept, err)
	}
	if record, err := run.ReadRecord(run.Place{Dir: filepath.Dir(kept[0])}); err != nil || !record.Pooled {
		t.Errorf("record %+v, %v", record, err)
	}
	for _, word := range []string{"pooler", "--standby-pgdsn"} {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("the text does not say %q", word)
		}
	}
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left on the primary: %s", rest)
	}
}

// A failover loses commits behind a pooler that is moved to the new primary;
// the nodes themselves are given beside it.
func TestFailoverBehindPooler(t *testing.T) {
	version := followedBehindPooler(t, nil)
	// Before 1.21 a pgbouncer knows nothing of prepared statements.
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if major == 1 && minor < 21 {
		t.Logf("pgbouncer %s keeps no prepared statements: tried without them alone", version)
		return
	}
	followedBehindPooler(t, map[string]string{"max_prepared_statements": "50"})
}

// The same loss is found where nothing but the pooler is known.
func TestFailoverBehindPoolerAlone(t *testing.T) {
	rep, _, _ := failoverBehindPooler(t, nil, func(*scenario.Cluster) []string { return nil })
	if rep.Witnesses.Log.Heard {
		t.Error("the log is heard")
	}
}

func followedBehindPooler(t *testing.T, settings map[string]string) (version string) {
	t.Helper()
	rep, stdout, pool := failoverBehindPooler(t, settings, func(c *scenario.Cluster) []string {
		return []string{"--standby-pgdsn", c.Primary.DSN("postgres"), "--standby-pgdsn", c.Standby.DSN("postgres")}
	})
	if !rep.Witnesses.Agree || !rep.Witnesses.Log.Heard || !rep.Capture.Complete || len(rep.Branches) != 2 {
		t.Errorf("witnesses %+v, capture %+v, branches %v", rep.Witnesses, rep.Capture, rep.Branches)
	}
	if !strings.Contains(strings.Join(strings.Fields(stdout), " "), "the connections went through a pooler at "+pool.Addr()) {
		t.Error("the text does not say that a pooler stands between")
	}
	return pool.Version
}

// failoverBehindPooler runs through a pooler, and more that is to be said of the
// cluster, and demands that the loss is found and nothing else.
func failoverBehindPooler(t *testing.T, settings map[string]string, more func(*scenario.Cluster) []string) (report.Report, string, *sandbox.Pooler) {
	t.Helper()
	c, repo := openCluster(t)
	pool := pooled(t, sandboxOf(t), c.Primary, settings)
	runDir := t.TempDir()
	r := failedOver(t, c, func() error { return pool.Retarget(t.Context(), c.Standby) }, append([]string{"--primary-pgdsn", pool.DSN("postgres"),
		"--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir, "--parallel-workers=5"}, more(c)...)...)
	if r.status != 1 {
		t.Errorf("status %d, want 1", r.status)
	}
	rep := judged(t, runDir)
	if rep.RPO.Transactions == 0 {
		t.Error("no loss was found")
	}
	for _, f := range rep.Findings {
		switch f.Class {
		case "lost_transaction", "captured_lost", "capture_gap":
		default:
			t.Errorf("%d of class %s: %v", f.Count, f.Class, f.Sample)
		}
	}
	return rep, r.stdout, pool
}

// Nobody fences the old primary: it lives on beside the promoted standby, takes
// writes, and is named first. The stream is that of the server that the pooler
// leads to, and the survivor is too.
func TestPrimaryNotFencedBehindPooler(t *testing.T) {
	c, repo := openCluster(t)
	pool := pooled(t, sandboxOf(t), c.Primary, nil)
	runDir := t.TempDir()
	r := during(t, []string{
		"--primary-pgdsn", pool.DSN("postgres"), "--repo-pgdsn", repo.DSN("postgres"), "--run-dir", runDir,
		"--standby-pgdsn", c.Primary.DSN("postgres"), "--standby-pgdsn", c.Standby.DSN("postgres"), "--parallel-workers=5", "--rate=300",
	},
		func() error { return untilMarkers(t.Context(), c.Primary, 200) },
		func() error { c.Link.Freeze(); return untilMore(t.Context(), c.Primary, 50) },
		func() error {
			return errors.Join(c.Standby.Promote(t.Context()), pool.Retarget(t.Context(), c.Standby))
		},
		func() error {
			return untilHolds(t.Context(), c.Standby, "select count(*) > 0 from pg_replication_slots where slot_type = 'logical' and active")
		},
		func() error { return untilMore(t.Context(), c.Standby, 100) })
	rep := judged(t, runDir)
	if r.status != 1 || rep.RPO.Transactions == 0 || !rep.Witnesses.Agree || !rep.Witnesses.Log.Heard || !rep.Capture.Complete {
		t.Errorf("status %d, %d lost, witnesses %+v, capture %+v", r.status, rep.RPO.Transactions, rep.Witnesses, rep.Capture)
	}
	roles := map[string]string{}
	for _, n := range rep.Nodes {
		roles[n.Name] = n.Role
	}
	if roles[c.Primary.Addr()] != "zombie" || roles[c.Standby.Addr()] == "zombie" {
		t.Errorf("nodes %v", roles)
	}
}
