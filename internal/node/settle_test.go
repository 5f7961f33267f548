package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestSettle(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn, busy := connect(t, dsn), connect(t, dsn)
	run := nextRun()
	id := func(w txn.Worker, seq txn.Seq) txn.ID { return txn.ID{Run: run, Worker: w, Seq: seq} }
	if _, err := node.Settle(ctx, conn, []txn.ID{id(0, 1)}, time.Second); !errors.Is(err, node.ErrTablesAbsent) {
		t.Errorf("without tables: %v", err)
	}
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	insert := func(seq int) string {
		return fmt.Sprintf("insert into pgrpo.marker (seq, run, worker, ops, crc) values (%d, %d, 0, 1, 1)", seq, run)
	}
	exec(t, conn, insert(1))
	exec(t, busy, "begin; "+insert(3))
	left, err := node.Connect(ctx, target(t, dsn), node.AppName(run, 1))
	check(t, err)
	defer node.Close(left)

	ids := []txn.ID{id(0, 1), id(0, 2), id(0, 3), id(1, 1)}
	got, err := node.Settle(ctx, conn, ids, 50*time.Millisecond)
	check(t, err)
	want := map[txn.ID]node.Settlement{
		ids[0]: node.Committed, ids[1]: node.RolledBack, ids[2]: node.Unresolved, ids[3]: node.Unresolved,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("settlements (-want +got):\n%s", d)
	}
	exec(t, busy, "commit")
	node.Close(left)
	deadline := time.Now().Add(30 * time.Second)
	for got[ids[3]] != node.RolledBack && time.Now().Before(deadline) {
		got, err = node.Settle(ctx, conn, ids, time.Second)
		check(t, err)
	}
	want[ids[2]], want[ids[3]] = node.Committed, node.RolledBack
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("settlements at the end (-want +got):\n%s", d)
	}
	if n := exec(t, conn, "select count(*) from pgrpo.marker"); string(n[0][0]) != "2" {
		t.Errorf("settling left %s markers, want 2", n[0][0])
	}
}

// Behind a pooler no session bears the worker's name: one that is not seen to
// be idle may be the worker's.
func TestSettlePooled(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn, other := connect(t, dsn), connect(t, dsn)
	run := nextRun()
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	ids := []txn.ID{{Run: run, Worker: 0, Seq: 1}}
	on, err := node.Answering(ctx, conn)
	check(t, err)
	settled := func() node.Settlement {
		t.Helper()
		got, err := node.SettlePooled(ctx, conn, ids, 50*time.Millisecond, on)
		check(t, err)
		return got[ids[0]]
	}
	exec(t, other, "begin; select 1")
	if got := settled(); got != node.Unresolved {
		t.Errorf("beside a session in a transaction: %v", got)
	}
	exec(t, other, "rollback")
	exec(t, conn, "create role blind")
	exec(t, conn, "grant usage on schema pgrpo to blind; grant all on all tables in schema pgrpo to blind; set role blind")
	if got := settled(); got != node.Unresolved {
		t.Errorf("beside a session that the role may not look into: %v", got)
	}
	exec(t, conn, "reset role")
	exec(t, conn, "drop owned by blind; drop role blind")
	if got := settled(); got != node.RolledBack {
		t.Errorf("beside an idle session: %v", got)
	}
	on.Start++
	if got, err := node.SettlePooled(ctx, conn, ids, time.Second, on); !errors.Is(err, node.ErrMoved) || len(got) > 0 {
		t.Errorf("on another server: %v, %v", got, err)
	}
}

func TestEnd(t *testing.T) {
	ctx := t.Context()
	conn := connect(t, database(t))
	run := nextRun()
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	id, err := node.Identify(ctx, conn)
	check(t, err)
	exec(t, conn, "select pg_create_logical_replication_slot('end_seen', 'test_decoding')")
	defer exec(t, conn, "select pg_drop_replication_slot('end_seen')")
	s := txn.Sentinel{Number: 3, Nonce: [16]byte{0xAB, 15: 0xCD}}
	here := node.Server{Timeline: id.Timeline, Start: id.Start}
	moved := here
	moved.Start++
	if err := node.End(ctx, conn, run, workers, s, moved); !errors.Is(err, node.ErrMoved) {
		t.Errorf("End on another server: %v", err)
	}
	check(t, node.End(ctx, conn, run, workers, s, here))
	if err := node.End(ctx, conn, run, workers, s, here); err == nil {
		t.Error("the same sentinel could be sent twice")
	}

	sum := txn.SumOf(txn.ID{Run: run, Worker: -1, Seq: 3}, -3, txn.Insert, nil)
	snapshot, err := node.Begin(ctx, conn)
	check(t, err)
	var markers []txn.Marker
	for m, err := range snapshot.Markers(ctx, run, txn.SentinelWorker) {
		check(t, err)
		markers = append(markers, m)
	}
	var all txn.Sum
	for range workers {
		all ^= sum
	}
	want := []txn.Marker{{ID: txn.ID{Run: run, Worker: -1, Seq: 3}, Ops: 3, Sum: all}}
	if d := cmp.Diff(want, markers); d != "" {
		t.Errorf("markers (-want +got):\n%s", d)
	}
	for _, w := range workers {
		var rows []txn.Row
		for r, err := range snapshot.Rows(ctx, run, w) {
			check(t, err)
			rows = append(rows, r)
		}
		if d := cmp.Diff([]txn.Row{{Run: run, ID: -3, Seq: 3, Sum: sum}}, rows); d != "" {
			t.Errorf("rows of worker %d (-want +got):\n%s", w, d)
		}
	}
	snapshot.Close()
	messages := exec(t, conn, "select data from pg_logical_slot_get_changes('end_seen', null, null) where data like 'message:%pgrpo.end%content:%'")
	content := fmt.Sprintf("%d/3/ab0000000000000000000000000000cd", run)
	if node.EndContent(run, s) != content || len(messages) != 1 || !endsWith(string(messages[0][0]), content) {
		t.Errorf("messages %q, want one of %q", messages, content)
	}
}

func endsWith(s, tail string) bool { return len(s) >= len(tail) && s[len(s)-len(tail):] == tail }

func TestSnapshot(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn, second, admin := connect(t, dsn), connect(t, dsn), connect(t, dsn)
	run := nextRun()
	snapshot, err := node.Begin(ctx, conn)
	check(t, err)
	for _, err := range snapshot.Markers(ctx, run, 0) {
		if !errors.Is(err, node.ErrTablesAbsent) {
			t.Errorf("without tables: %v", err)
		}
	}
	snapshot.Close()

	_, err = node.Init(ctx, admin, workers)
	check(t, err)
	const many = 45_000
	exec(t, admin, fmt.Sprintf("insert into pgrpo.marker select s, %d, w, 1, s::int from generate_series(1, %d) s, (values (1), (-1), (12345)) v (w)", run, many))
	exec(t, admin, fmt.Sprintf("insert into pgrpo.marker values (1, %d, 99, 1, 1)", run+1000))
	snapshot, err = node.Begin(ctx, conn)
	check(t, err)
	exec(t, admin, fmt.Sprintf("insert into pgrpo.marker values (1, %d, 5, 1, 1)", run))
	joined, err := node.Join(ctx, second, snapshot.Name())
	check(t, err)
	for _, s := range []*node.Snapshot{snapshot, joined} {
		got, err := s.MarkerWorkers(ctx, run)
		check(t, err)
		if d := cmp.Diff([]txn.Worker{-1, 1, 12345}, got); d != "" {
			t.Errorf("workers with markers (-want +got):\n%s", d)
		}
		seq := txn.Seq(0)
		for m, err := range s.Markers(ctx, run, 1) {
			check(t, err)
			if seq++; m.Seq != seq || m.Sum != txn.Sum(seq) {
				t.Fatalf("marker %+v at place %d", m, seq)
			}
		}
		if seq != many {
			t.Errorf("%d markers, want %d", seq, many)
		}
		// A reader that stops early leaves the snapshot usable.
		for _, err := range s.Markers(ctx, run, 1) {
			check(t, err)
			break
		}
		tables, err := s.TableWorkers(ctx)
		check(t, err)
		if d := cmp.Diff(workers, tables); d != "" {
			t.Errorf("worker tables (-want +got):\n%s", d)
		}
	}
	joined.Close()
	snapshot.Close()
}
