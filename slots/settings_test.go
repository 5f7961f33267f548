package slots_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// Each setting that keeps slots from a standby is named while it does so, and when
// all are mended the slot comes.
func TestReadyNamesTheSetting(t *testing.T) {
	t.Parallel()
	if major(t) < 17 {
		lacks(t, "sync_replication_slots")
		return
	}
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", map[string]string{"sync_replication_slots": "on"})
	check(t, err)
	sql(t, primary, "create table t (a int)")
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	conninfo := value(t, standby, "show primary_conninfo")
	for _, c := range []struct{ name, wrong, right, said string }{
		{"sync_replication_slots", "off", "on", "sync_replication_slots on"},
		{"hot_standby_feedback", "off", "on", "hot_standby_feedback on"},
		{"primary_slot_name", "", "standby", "is not set"},
		{"primary_slot_name", "nosuch", "standby", "no such physical slot"},
		{"primary_conninfo", strings.ReplaceAll(conninfo, "dbname=postgres", ""), conninfo, "names no dbname"},
	} {
		check(t, standby.Set(t.Context(), c.name, c.wrong))
		until(t, "no worker synchronizes slots", func() bool {
			return value(t, standby, "select count(*) from pg_stat_activity where backend_type = 'slotsync worker'") == "0"
		})
		create(t, primary, failoverSlot, "wanted")
		r := readiness(t, survey(t, primary, standby), "wanted")
		if r.Survives != slots.No || !has(r.Why, c.said) {
			t.Errorf("%s = %q: no %q", c.name, c.wrong, c.said)
		}
		sql(t, primary, "select pg_drop_replication_slot('wanted')")
		check(t, standby.Set(t.Context(), c.name, c.right))
	}
	check(t, standby.WaitStreaming(t.Context(), primary))
	create(t, primary, failoverSlot, "wanted")
	check(t, primary.Set(t.Context(), "synchronized_standby_slots", "standby"))
	until(t, "the slot is synced", func() bool {
		sql(t, primary, "select pg_log_standby_snapshot()")
		consume(t, primary, "wanted")
		return value(t, standby, "select synced and not temporary from pg_replication_slots where slot_name = 'wanted'") == "t"
	})
	check(t, standby.WaitReplayed(t.Context(), primary))
	if r := readiness(t, survey(t, primary, standby), "wanted"); r.Survives != slots.Yes || len(r.Warnings) != 0 {
		t.Error("all is as it should be")
	}
}
