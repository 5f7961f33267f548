package slots_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// seen are the changes of each slot, and of the node under "".
func seen(t *testing.T, before, now slots.Node) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, c := range slots.Between(before, now, nil) {
		t.Logf("%s %q %s %s: %s", c.Node, c.Slot, c.Kind, c.Weight, c.Text)
		all[c.Slot] = strings.TrimPrefix(fmt.Sprintf("%s, %s %s", all[c.Slot], c.Kind, c.Weight), ", ")
	}
	return all
}

func wantSeen(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, changes := range want {
		if got[name] != changes {
			t.Errorf("%q: %q, want %q", name, got[name], changes)
		}
	}
	for name, changes := range got {
		if _, known := want[name]; !known {
			t.Errorf("%q: %q, want nothing", name, changes)
		}
	}
}

// What happens to slots between two looks is told from what their consumers do.
func TestBetweenOnAServer(t *testing.T) {
	t.Parallel()
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", nil)
	check(t, err)
	version := major(t)
	sql(t, v, "create table t (a int)")
	create(t, v, "", "given_up")
	for range 4 {
		insert(t, v, 1)
		sql(t, v, "select pg_switch_wal()")
	}
	create(t, v, "", "stays", "read", "advanced", "anew", "anew_unread", "other", "poisoned", "gone")
	sql(t, v, "select pg_create_logical_replication_slot('prepared', 'test_decoding', false, true)")
	session, err := node.Connect(t.Context(), hosts(t, v)[0], "slots test")
	check(t, err)
	_, err = session.Exec(t.Context(), "select pg_create_logical_replication_slot('temporary', 'test_decoding', true)").ReadAll()
	check(t, err)
	insert(t, v, 3)
	for _, name := range []string{"stays", "read", "advanced", "anew", "other"} {
		consume(t, v, name)
	}
	before := survey(t, v).Nodes[0]

	node.Close(session)
	insert(t, v, 2)
	consume(t, v, "read")
	anew := func(name, more string) {
		sql(t, v, fmt.Sprintf("select pg_drop_replication_slot('%s')", name),
			fmt.Sprintf("select pg_create_logical_replication_slot('%s', 'test_decoding'%s)", name, more))
	}
	anew("anew", "")
	anew("anew_unread", "")
	anew("prepared", ", false, true")
	sql(t, v, "select pg_drop_replication_slot('other')", "select pg_create_logical_replication_slot('other', 'pgoutput')",
		"select pg_drop_replication_slot('gone')", "select pg_replication_slot_advance('advanced', pg_current_wal_lsn())",
		"alter system set max_slot_wal_keep_size = '48MB'", "select pg_reload_conf()")
	create(t, v, "", "new")
	release(t, v, "poisoned", stream(t, v, "poisoned", 0, lsn(t, v, "select pg_current_wal_flush_lsn() + 16000000")))
	until(t, "given_up is given up, and temporary gone", func() bool {
		sql(t, v, "checkpoint")
		return value(t, v, "select wal_status from pg_replication_slots where slot_name = 'given_up'") == "lost" &&
			value(t, v, "select count(*) from pg_replication_slots where slot_name = 'temporary'") == "0"
	})
	want := map[string]string{
		"given_up": "lost bad", "advanced": "jumped doubt", "anew": "remade bad", "anew_unread": "jumped doubt", "prepared": "jumped doubt",
		"other": "remade bad", "poisoned": "poisoned bad", "gone": "vanished bad", "new": "appeared note", "temporary": "vanished note",
	}
	if version >= 18 {
		want["prepared"] = "remade bad"
	}
	if version < 15 {
		// What was decoded is not known in time.
		want["anew"], want["read"] = "jumped doubt", "jumped doubt"
	}
	now := survey(t, v).Nodes[0]
	wantSeen(t, seen(t, before, now), want)
	if version < 15 {
		return
	}
	sql(t, v, "select pg_drop_replication_slot('poisoned')")
	crashes(t, v)
}

// crashes kills one process of the server, upon which all begin anew under the same
// postmaster: the server has no slot further than it was last saved, and counts what
// is decoded from zero. No slot was made again for that.
func crashes(t *testing.T, v *sandbox.Server) {
	t.Helper()
	insert(t, v, 1)
	consume(t, v, "stays")
	insert(t, v, 1)
	consume(t, v, "stays")
	before := survey(t, v).Nodes[0]
	pid, err := v.Backend(t.Context(), "background writer")
	check(t, err)
	check(t, syscall.Kill(pid, syscall.SIGKILL))
	until(t, "all processes are new", func() bool {
		next, err := v.Backend(t.Context(), "background writer")
		return err == nil && next != pid
	})
	after := survey(t, v).Nodes[0]
	was, _ := before.Slot("stays")
	is, _ := after.Slot("stays")
	if before.Started != after.Started || *is.TotalTxns >= *was.TotalTxns || *was.TotalTxns == 0 {
		t.Fatalf("this proves nothing: the server's process is of %d and %d, and has decoded %d and %d", before.Started, after.Started, *was.TotalTxns, *is.TotalTxns)
	}
	for name, changes := range seen(t, before, after) {
		if strings.Contains(changes, "remade") || strings.Contains(changes, "bad") {
			t.Errorf("%q: %s after a crash", name, changes)
		}
	}
}

// A slot that nobody reads from goes down the ladder of wal_status.
func TestBetweenTellsTheLadder(t *testing.T) {
	t.Parallel()
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", map[string]string{"max_wal_size": "32MB", "min_wal_size": "32MB"})
	check(t, err)
	sql(t, v, "create table t (a int)")
	create(t, v, "", "left")
	status := func(want string) slots.Node {
		t.Helper()
		until(t, "its WAL is "+want, func() bool {
			return value(t, v, "select wal_status from pg_replication_slots where slot_name = 'left'") == want
		})
		return survey(t, v).Nodes[0]
	}
	look := status("reserved")
	step := func(to, want string, deeds ...string) {
		t.Helper()
		sql(t, v, deeds...)
		next := status(to)
		wantSeen(t, seen(t, look, next), map[string]string{"left": want})
		look = next
	}
	const segment = "select pg_switch_wal()"
	const row = "insert into t values (1)"
	step("extended", "wal_status note", row, segment, row, segment, row, segment, row, segment, row, "checkpoint")
	step("unreserved", "wal_status note", "alter system set max_wal_size = '1GB'", "alter system set max_slot_wal_keep_size = '16MB'", "select pg_reload_conf()")
	step("lost", "lost bad", "checkpoint")
}
