package node_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

func TestInitIsIdempotent(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	var wg sync.WaitGroup
	for range 4 {
		conn := connect(t, dsn)
		wg.Go(func() {
			if _, err := node.Init(ctx, conn, workers); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	conn := connect(t, dsn)
	exec(t, conn, node.PrintSQL(workers))
	rows := exec(t, conn, "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'pgrpo' and relkind = 'r' order by 1")
	var got []string
	for _, r := range rows {
		got = append(got, string(r[0]))
	}
	if d := cmp.Diff([]string{"marker", "run", "worker_0000", "worker_0001", "worker_12345"}, got); d != "" {
		t.Errorf("tables (-want +got):\n%s", d)
	}
}

func TestInitWithoutRights(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	admin := connect(t, dsn)
	writer := role(t, "login")
	conn := connect(t, as(dsn, writer))
	refused := func(want string) {
		t.Helper()
		if _, err := node.Init(ctx, conn, workers); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), want) {
			t.Errorf("Init: %v, want a refusal with %q", err, want)
		}
	}
	refused("grant create on database")
	exec(t, admin, node.PrintSQL(workers))
	refused("grant usage on schema pgrpo to " + writer)
	exec(t, admin, "grant usage on schema pgrpo to "+writer+"; grant select on all tables in schema pgrpo to "+writer)
	refused("grant select, insert on pgrpo.run")
	exec(t, admin, "grant select, insert, update, delete on all tables in schema pgrpo to "+writer)
	if _, err := node.Init(ctx, conn, workers); err != nil {
		t.Errorf("Init with what it needs: %v", err)
	}
	exec(t, admin, "alter table pgrpo.marker rename column crc to sum")
	refused("columns")
}

func TestEnsureRun(t *testing.T) {
	ctx := t.Context()
	conn := connect(t, database(t))
	if err := node.EnsureRun(ctx, conn, 7, 1); !errors.Is(err, node.ErrTablesAbsent) {
		t.Errorf("without tables: %v", err)
	}
	_, err := node.Init(ctx, conn, nil)
	check(t, err)
	check(t, node.EnsureRun(ctx, conn, 7, 1<<64-1))
	if err := node.EnsureRun(ctx, conn, 7, 2); !errors.Is(err, node.ErrRunTaken) {
		t.Errorf("a second run of one number: %v", err)
	}
	check(t, node.EnsureRun(ctx, conn, 8, 2))
}

func TestReset(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn := connect(t, dsn)
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	check(t, node.CreatePublication(ctx, conn, 77, workers))
	exec(t, conn, "select pg_create_logical_replication_slot('pgrpo_77', 'pgoutput')")
	exec(t, conn, "create table pgrpo.precious (x int); create publication foreign_one for table pgrpo.precious")
	_, left, err := node.Reset(ctx, conn)
	check(t, err)
	if len(left) != 2 {
		t.Errorf("left %q, want the foreign table and the schema", left)
	}
	rows := exec(t, conn, `select (select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'pgrpo' and relkind = 'r'),
 (select string_agg(pubname, ',') from pg_publication), (select count(*) from pg_replication_slots where slot_name = 'pgrpo_77')`)
	if string(rows[0][0]) != "1" || string(rows[0][1]) != "foreign_one" || string(rows[0][2]) != "0" {
		t.Errorf("after reset: tables %s, publications %s, slots %s", rows[0][0], rows[0][1], rows[0][2])
	}
	exec(t, conn, "drop table pgrpo.precious")
	dropped, left, err := node.Reset(ctx, conn)
	if err != nil || len(left) != 0 || len(dropped) != 1 {
		t.Errorf("second reset dropped %q, left %q, %v", dropped, left, err)
	}
	if dropped, _, err := node.Reset(ctx, conn); err != nil || len(dropped) != 0 {
		t.Errorf("third reset dropped %q, %v", dropped, err)
	}
}

func TestPublication(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	admin := connect(t, dsn)
	publisher := role(t, "login")
	exec(t, admin, "grant create on database "+target(t, dsn).Database()+" to "+publisher)
	conn := connect(t, as(dsn, publisher))
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	run := nextRun()
	want := func(want node.Publication) {
		t.Helper()
		got, err := node.CheckPublication(ctx, conn, run, workers)
		check(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("publication (-want +got):\n%s", d)
		}
	}
	want(node.Publication{Missing: []string{"pgrpo.marker", "pgrpo.worker_0000", "pgrpo.worker_0001", "pgrpo.worker_12345"}})
	check(t, node.CreatePublication(ctx, conn, run, workers[:2]))
	want(node.Publication{Exists: true, Missing: []string{"pgrpo.worker_12345"}})
	check(t, node.CreatePublication(ctx, conn, run, workers))
	check(t, node.CreatePublication(ctx, conn, run, workers))
	want(node.Publication{Exists: true})
	check(t, node.DropPublication(ctx, conn, run))
	check(t, node.DropPublication(ctx, conn, run))
	stranger := connect(t, as(dsn, role(t, "login")))
	if err := node.CreatePublication(ctx, stranger, run, workers); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "must own") {
		t.Errorf("without rights: %v", err)
	}
}

func TestSlot(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn := connect(t, dsn)
	id, err := node.Identify(ctx, conn)
	check(t, err)
	repl, err := node.ConnectReplication(ctx, target(t, dsn), "test")
	check(t, err)
	defer node.Close(repl)
	name := node.NameOf(nextRun())
	if _, found, err := node.FindSlot(ctx, conn, name); found || err != nil {
		t.Fatalf("FindSlot: %t, %v", found, err)
	}
	consistent, err := node.CreateSlot(ctx, repl, conn, name, id.VersionNum)
	check(t, err)
	s, found, err := node.FindSlot(ctx, conn, name)
	check(t, err)
	if !found || s.Plugin != "pgoutput" || s.Type != "logical" || s.Confirmed != consistent || consistent == 0 || s.Temporary || s.Lost() ||
		s.WalStatus != "reserved" || s.Failover != (id.VersionNum >= 170000) || s.Database != target(t, dsn).Database() {
		t.Errorf("slot %+v, consistent point %s", s, consistent)
	}
	if _, err := node.CreateSlot(ctx, repl, conn, name, id.VersionNum); !errors.Is(err, node.ErrSlotExists) {
		t.Errorf("a second slot of one name: %v", err)
	}
	check(t, node.DropSlot(ctx, conn, name, 30*time.Second))
	check(t, node.DropSlot(ctx, conn, name, 30*time.Second))
}

func TestSlotWaitsForTransactions(t *testing.T) {
	dsn := database(t)
	conn, blocker := connect(t, dsn), connect(t, dsn)
	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	rows := exec(t, blocker, "begin; select pg_current_xact_id(), pg_backend_pid()")
	repl, err := node.ConnectReplication(t.Context(), target(t, dsn), "test")
	check(t, err)
	defer node.Close(repl)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	name := node.NameOf(nextRun())
	_, err = node.CreateSlot(ctx, repl, conn, name, id.VersionNum)
	if err == nil || !strings.Contains(err.Error(), "pid "+string(rows[0][1])) {
		t.Errorf("CreateSlot: %v, want the blocking pid %s", err, rows[0][1])
	}
	if _, found, err := node.FindSlot(t.Context(), conn, name); found || err != nil {
		t.Errorf("half a slot is left: %t, %v", found, err)
	}
	exec(t, blocker, "rollback")
	if _, err := node.CreateSlot(t.Context(), repl, conn, name, id.VersionNum); err != nil {
		t.Errorf("CreateSlot afterwards: %v", err)
	}
	check(t, node.DropSlot(t.Context(), conn, name, 30*time.Second))
}

func TestWaitForStandbys(t *testing.T) {
	ctx := t.Context()
	_, primary, standby := pair(t)
	conn := connect(t, primary.DSN("postgres"))
	lsn, err := node.Init(ctx, conn, workers)
	check(t, err)
	behind, err := node.WaitForStandbys(ctx, conn, lsn)
	if err != nil || len(behind) != 0 {
		t.Fatalf("WaitForStandbys: %v, %v", behind, err)
	}
	if got := exec(t, connect(t, standby.DSN("postgres")), "select to_regclass('pgrpo.worker_0001') is not null"); string(got[0][0]) != "t" {
		t.Error("the standby does not have the tables")
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	behind, err = node.WaitForStandbys(short, conn, lsn+1<<40)
	if err != nil || len(behind) != 1 || behind[0].Name != "standby" {
		t.Errorf("a standby that is behind: %v, %v", behind, err)
	}
	exec(t, conn, "create role blind login")
	behind, err = node.WaitForStandbys(ctx, connect(t, as(primary.DSN("postgres"), "blind")), lsn)
	if err != nil || len(behind) != 1 || behind[0].Visible {
		t.Errorf("without the right to see it: %v, %v", behind, err)
	}
}
