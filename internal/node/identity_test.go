package node_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func pair(t *testing.T) (box *sandbox.Sandbox, primary, standby *sandbox.Server) {
	t.Helper()
	box = sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	standby, err = box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	return box, primary, standby
}

func TestIdentify(t *testing.T) {
	ctx := t.Context()
	dsn := shared.DSN("postgres")
	id, err := node.Identify(ctx, connect(t, dsn))
	check(t, err)
	system, err := node.ReadSystem(ctx, target(t, dsn))
	check(t, err)
	if id.System != system.SystemID || id.Timeline != 1 || system.Timeline != 1 || !system.HasHistory || id.InRecovery ||
		id.Address != shared.Addr() || id.SegmentBytes != 16<<20 || id.Database != "postgres" || id.VersionNum < node.OldestVersion {
		t.Errorf("identity %+v, system %+v", id, system)
	}
	if id.Start == 0 || id.Insert == 0 || id.Backend == 0 || id.Version == "" || id.SyncCommit != "on" || id.Marker != pg.NotLooked {
		t.Errorf("identity lacks a fact: %+v", id)
	}
	// A role without any right learns the same of the server.
	plain, err := node.Identify(ctx, connect(t, as(dsn, role(t, "login"))))
	check(t, err)
	plain.Backend, plain.Insert, plain.Role = id.Backend, id.Insert, id.Role
	if d := cmp.Diff(id, plain); d != "" {
		t.Errorf("identity for a plain role (-superuser +plain):\n%s", d)
	}
}

func TestIdentifyThroughPromotion(t *testing.T) {
	ctx := t.Context()
	_, primary, standby := pair(t)
	before, err := node.Identify(ctx, connect(t, primary.DSN("postgres")))
	check(t, err)
	stays := connect(t, standby.DSN("postgres"))
	waiting, err := node.Identify(ctx, stays)
	check(t, err)
	if !waiting.InRecovery || waiting.System != before.System || waiting.Timeline != 1 || waiting.Insert == 0 {
		t.Errorf("standby: %+v", waiting)
	}
	if _, err := node.Preflight(ctx, stays, node.Need{}); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "standby") {
		t.Errorf("preflight of a standby: %v", err)
	}
	all, err := node.Standbys(ctx, connect(t, primary.DSN("postgres")))
	check(t, err)
	if len(all) != 1 || all[0].Name != "standby" || !all[0].Visible {
		t.Errorf("standbys %+v", all)
	}

	check(t, primary.Kill())
	check(t, standby.Promote(ctx))
	after, err := node.Identify(ctx, stays)
	check(t, err)
	system, err := node.ReadSystem(ctx, target(t, standby.DSN("postgres")))
	check(t, err)
	if after.InRecovery || after.Timeline != 2 || system.Timeline != 2 || after.Start != waiting.Start {
		t.Errorf("promoted: %+v, %+v", after, system)
	}
	if !system.HasHistory || len(system.History) != 1 || system.History[0].Parent != 1 || system.History[0].End == 0 {
		t.Errorf("history %+v", system.History)
	}
}

func TestPreflight(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn := connect(t, dsn)
	facts, err := node.Preflight(ctx, conn, node.Need{})
	check(t, err)
	if !facts.CanReplicate || facts.Why != "" || facts.WALLevel != "logical" || facts.FreeSlots <= 0 {
		t.Errorf("facts of a superuser: %+v", facts)
	}
	same, err := node.Identify(ctx, connect(t, dsn))
	check(t, err)
	if _, err := node.Preflight(ctx, conn, node.Need{Repo: &same}); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "repo") {
		t.Errorf("the repo is the primary: %v", err)
	}
	other, err := node.Identify(ctx, connect(t, database(t)))
	check(t, err)
	if _, err := node.Preflight(ctx, conn, node.Need{Repo: &other}); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "repo") {
		t.Errorf("the repo is another database of the primary: %v", err)
	}
	other.System++
	if _, err := node.Preflight(ctx, conn, node.Need{Repo: &other}); err != nil {
		t.Errorf("the repo is another cluster: %v", err)
	}
	powerless := role(t, "login")
	facts, err = node.Preflight(ctx, connect(t, as(dsn, powerless)), node.Need{})
	check(t, err)
	if facts.CanReplicate || !strings.Contains(facts.Why, `"`+powerless+`" may not replicate`) {
		t.Errorf("facts of a plain role: %+v", facts)
	}
	defer exec(t, conn, "drop role rds_replication")
	exec(t, conn, "create role rds_replication; grant rds_replication to "+powerless)
	facts, err = node.Preflight(ctx, connect(t, as(dsn, powerless)), node.Need{})
	check(t, err)
	if !facts.CanReplicate {
		t.Errorf("facts of a member of rds_replication: %+v", facts)
	}
	exec(t, conn, "alter role "+powerless+" set default_transaction_read_only = on")
	if _, err := node.Preflight(ctx, connect(t, as(dsn, powerless)), node.Need{}); trouble.Of(err) != trouble.Refused {
		t.Errorf("read-only sessions: %v", err)
	}
}

func TestPreflightNeedsLogical(t *testing.T) {
	ctx := t.Context()
	server, err := sandboxtest.Open(t).Primary(ctx, "replica", map[string]string{"wal_level": "replica"})
	check(t, err)
	conn := connect(t, server.DSN("postgres"))
	if _, err := node.Preflight(ctx, conn, node.Need{}); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "wal_level") {
		t.Errorf("wal_level replica: %v", err)
	}
	facts, err := node.Preflight(ctx, conn, node.Need{Purpose: node.LoadOnly})
	if err != nil || facts.CanReplicate || !strings.Contains(facts.Why, "wal_level") {
		t.Errorf("load alone: %+v, %v", facts, err)
	}
}

func TestMarkerPresent(t *testing.T) {
	ctx := t.Context()
	conn := connect(t, database(t))
	id := txn.ID{Run: 1, Worker: 2, Seq: 3}
	want := func(p pg.Presence) {
		t.Helper()
		if got, err := node.MarkerPresent(ctx, conn, id); got != p || err != nil {
			t.Errorf("MarkerPresent = %v, %v; want %v", got, err, p)
		}
	}
	want(pg.Absent)
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	want(pg.Absent)
	exec(t, conn, "insert into pgrpo.marker (seq, run, worker, ops, crc) values (3, 1, 2, 0, 0)")
	want(pg.Present)
}
