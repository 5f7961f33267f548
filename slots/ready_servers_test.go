package slots_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// readiness is what a survey says of one slot and one standby.
func readiness(t *testing.T, s slots.Snapshot, name string) slots.Readiness {
	t.Helper()
	for _, r := range slots.Ready(s) {
		if r.Slot == name {
			t.Logf("%s: %s, because %q, but %q", r.Slot, r.Survives, r.Why, r.Warnings)
			return r
		}
	}
	t.Fatalf("nothing is said of %s", name)
	return slots.Readiness{}
}

func has(list []string, text string) bool { return strings.Contains(strings.Join(list, "\n"), text) }

// A copy that the documentation once called ready though its log is gone, a slot
// that is still temporary, and a former primary that stops all synchronization.
func TestReadyOnServers(t *testing.T) {
	t.Parallel()
	if major(t) < 17 {
		lacks(t, "sync_replication_slots")
		return
	}
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", map[string]string{"sync_replication_slots": "on"})
	check(t, err)
	sql(t, primary, "create table t (a int)")
	create(t, primary, failoverSlot, "idle")
	insert(t, primary, 1)
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	create(t, primary, failoverSlot, "kept", "dead")
	create(t, primary, "", "plain")
	for _, name := range []string{"kept", "dead"} {
		until(t, name+" is synced", func() bool {
			sql(t, primary, "select pg_log_standby_snapshot()")
			consume(t, primary, name)
			return value(t, standby, "select synced and not temporary from pg_replication_slots where slot_name = '"+name+"'") == "t"
		})
	}
	check(t, standby.WaitReplayed(t.Context(), primary))
	s := survey(t, primary, standby)
	if r := readiness(t, s, "kept"); r.Survives != slots.Yes || !has(r.Warnings, "synchronized_standby_slots") {
		t.Error("the slot that is kept")
	}
	if r := readiness(t, s, "idle"); r.Survives != slots.No || !has(r.Why, "still temporary") {
		t.Error("the idle slot")
	}
	if r := readiness(t, s, "plain"); r.Survives != slots.No || !has(r.Why, "no failover slot") {
		t.Error("the slot that is none for failovers")
	}

	giveUp(t, primary, standby)
	const once = "select synced and not temporary and not conflicting from pg_replication_slots where slot_name = 'dead'"
	if value(t, standby, once) != "t" {
		t.Error("what the documentation once asked for is not true of the slot that was given up")
	}
	if r := readiness(t, survey(t, primary, standby), "dead"); r.Survives != slots.No || !has(r.Why, "gave its copy up: wal_removed") {
		t.Error("the slot that was given up")
	}

	check(t, sandbox.Switchover(t.Context(), primary, standby, ""))
	create(t, standby, failoverSlot, "late")
	s = survey(t, primary, standby)
	if r := readiness(t, s, "kept"); r.Survives != slots.No || !has(r.Why, "stops the synchronization of all slots") {
		t.Error("the slot that a former primary has too")
	}
	if r := readiness(t, s, "late"); r.Survives != slots.No || !has(r.Why, "drop") || !has(r.Why, "kept") {
		t.Error("the slot that comes after")
	}
	// So it is: the one does not come before the other is dropped.
	for _, name := range []string{"kept", "dead", "idle"} {
		sql(t, primary, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '"+name+"' and not synced")
	}
	until(t, "slots are synced again", func() bool {
		sql(t, standby, "select pg_log_standby_snapshot()")
		consume(t, standby, "late")
		return value(t, primary, "select synced and not temporary from pg_replication_slots where slot_name = 'late'") == "t"
	})
	check(t, primary.WaitReplayed(t.Context(), standby))
	if r := readiness(t, survey(t, primary, standby), "late"); r.Survives != slots.Yes {
		t.Error("the slot that came at last")
	}
}

// giveUp makes the primary give slot dead up, and waits until the standby has that
// too. The other slots go on.
func giveUp(t *testing.T, primary, standby *sandbox.Server) {
	t.Helper()
	check(t, primary.Set(t.Context(), "max_slot_wal_keep_size", "32MB"))
	until(t, "the slot is given up on both", func() bool {
		insert(t, primary, 1)
		sql(t, primary, "select pg_switch_wal()", "select pg_log_standby_snapshot()")
		check(t, standby.WaitReplayed(t.Context(), primary))
		for _, name := range []string{"kept", "idle", "plain"} {
			sql(t, primary, "select pg_replication_slot_advance('"+name+"', pg_current_wal_flush_lsn())")
		}
		sql(t, primary, "checkpoint")
		return value(t, standby, "select invalidation_reason from pg_replication_slots where slot_name = 'dead'") == "wal_removed"
	})
	check(t, primary.Set(t.Context(), "max_slot_wal_keep_size", "-1"))
}
