package slots_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// patience is for what a busy machine does in its own time.
const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func major(t *testing.T) int {
	t.Helper()
	b, err := sandboxtest.Binaries(t.Context())
	check(t, err)
	return b.Major
}

// lacks sees that a server has no such setting: it is of a version before that, and
// what the setting does cannot be tried on it.
func lacks(t *testing.T, setting string) {
	t.Helper()
	if n := value(t, sandboxtest.Primary(t), "select count(*) from pg_settings where name = '"+setting+"'"); n != "0" {
		t.Errorf("the server has %s", setting)
	}
}

func sql(t testing.TB, v *sandbox.Server, statements ...string) {
	t.Helper()
	for _, s := range statements {
		check(t, v.Exec(t.Context(), s))
	}
}

func value(t testing.TB, v *sandbox.Server, query string) string {
	t.Helper()
	text, err := v.Value(t.Context(), query)
	check(t, err)
	return text
}

func lsn(t testing.TB, v *sandbox.Server, query string) pg.LSN {
	t.Helper()
	l, err := pg.ParseLSN(value(t, v, query))
	check(t, err)
	return l
}

// until repeats try until it is true.
func until(t testing.TB, what string, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !try(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// hosts are the servers to ask.
func hosts(t testing.TB, servers ...*sandbox.Server) []node.Target {
	t.Helper()
	var all []node.Target
	for _, v := range servers {
		target, err := node.Parse(v.DSN("postgres"))
		check(t, err)
		all = append(all, target)
	}
	return slots.Hosts(all...)
}

// create makes a slot; a failover slot where it is asked for.
func create(t testing.TB, v *sandbox.Server, failover string, names ...string) {
	t.Helper()
	for _, name := range names {
		sql(t, v, fmt.Sprintf("select pg_create_logical_replication_slot('%s', 'test_decoding'%s)", name, failover))
	}
}

// failoverSlot are the arguments that make a slot one, from 17 on.
const failoverSlot = ", false, false, true"

// consume gives a slot's consumer all that there is; the result is what it has.
func consume(t testing.TB, v *sandbox.Server, name string) pg.LSN {
	t.Helper()
	sql(t, v, fmt.Sprintf("select count(*) from pg_logical_slot_get_changes('%s', null, null)", name))
	return confirmed(t, v, name)
}

func confirmed(t testing.TB, v *sandbox.Server, name string) pg.LSN {
	t.Helper()
	return lsn(t, v, "select confirmed_flush_lsn from pg_replication_slots where slot_name = '"+name+"'")
}

// stream reads from a slot from that position on, and confirms another one.
func stream(t testing.TB, v *sandbox.Server, name string, start, confirm pg.LSN) *pgconn.PgConn {
	t.Helper()
	conn, err := node.ConnectReplication(t.Context(), hosts(t, v)[0], "slots test")
	check(t, err)
	t.Cleanup(func() { node.Close(conn) })
	check(t, pglogrepl.StartReplication(t.Context(), conn, name, pglogrepl.LSN(start), pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication}))
	if confirm == 0 {
		return conn
	}
	check(t, pglogrepl.SendStandbyStatusUpdate(t.Context(), conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(confirm), WALFlushPosition: pglogrepl.LSN(confirm), WALApplyPosition: pglogrepl.LSN(confirm)}))
	until(t, "the server took the confirmation", func() bool { return confirmed(t, v, name) == confirm })
	return conn
}

// release ends a session that reads from a slot.
func release(t testing.TB, v *sandbox.Server, name string, conn *pgconn.PgConn) {
	t.Helper()
	node.Close(conn)
	until(t, "the slot is free", func() bool {
		return value(t, v, "select active from pg_replication_slots where slot_name = '"+name+"'") == "f"
	})
}

// insert makes so many transactions of one row each.
func insert(t testing.TB, v *sandbox.Server, n int) {
	t.Helper()
	for range n {
		sql(t, v, "insert into t values (1)")
	}
}

// expect is the verdict on a slot, and how many transactions come again.
type expect struct {
	verdict slots.Verdict
	also    []slots.Verdict
	again   int
}

func verify(t *testing.T, all []slots.Judged, want map[string]expect) {
	t.Helper()
	if len(all) != len(want) {
		t.Errorf("%d slots were judged, want %d", len(all), len(want))
	}
	for _, j := range all {
		w := want[j.Name]
		t.Logf("%s: %s %v, %s to %s: %s", j.Name, j.Verdict, j.Also, j.From, j.To, j.Reason)
		if j.Verdict != w.verdict || fmt.Sprint(j.Also) != fmt.Sprint(w.also) {
			t.Errorf("%s: %s, also %v; want %s, also %v", j.Name, j.Verdict, j.Also, w.verdict, w.also)
		}
		if w.again != 0 && (j.Times == nil || *j.Times != w.again) {
			t.Errorf("%s: %v transactions come again, want %d", j.Name, j.Times, w.again)
		}
	}
}

// checkAll judges all logical slots.
func checkAll(t *testing.T, before slots.Snapshot, consumers map[string]pg.LSN, servers ...*sandbox.Server) []slots.Judged {
	t.Helper()
	ask := hosts(t, servers...)
	now := slots.Survey(t.Context(), ask)
	check(t, now.RefuseAfter(before))
	chosen, err := before.Choose(nil)
	check(t, err)
	return slots.Check(t.Context(), before, now, chosen, consumers, ask, patience)
}

func survey(t *testing.T, servers ...*sandbox.Server) slots.Snapshot {
	t.Helper()
	s := slots.Survey(context.WithoutCancel(t.Context()), hosts(t, servers...))
	check(t, s.Refuse())
	return s
}

// slotState is the state file of a slot.
type slotState struct {
	name    string
	content []byte
}

// slotFile reads the state file of a slot, which is as old as the last checkpoint.
func slotFile(t testing.TB, v *sandbox.Server, name string) slotState {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(v.Dir(), "pg_replslot", name, "state"))
	check(t, err)
	return slotState{name, content}
}

// put gives the slot to a server that is down.
func (s slotState) put(t testing.TB, v *sandbox.Server) {
	t.Helper()
	dir := filepath.Join(v.Dir(), "pg_replslot", s.name)
	info, err := os.Stat(v.Dir())
	check(t, err)
	check(t, os.Mkdir(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "state"), s.content, 0o600))
	owner := info.Sys().(*syscall.Stat_t)
	check(t, os.Lchown(dir, int(owner.Uid), int(owner.Gid)))
	check(t, os.Lchown(filepath.Join(dir, "state"), int(owner.Uid), int(owner.Gid)))
}

// keep takes the snapshot that later servers are checked against.
func keep(t *testing.T, servers ...*sandbox.Server) slots.Snapshot {
	t.Helper()
	s := slots.Keep(context.WithoutCancel(t.Context()), hosts(t, servers...))
	check(t, s.Refuse())
	return s
}
