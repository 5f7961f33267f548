package slots_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// A standby that is behind what a consumer has, and one that has a log of its own, are
// no place for a slot to survive.
func TestReadyOfALogApart(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	sql(t, primary, "create table t (a int)")
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	create(t, primary, "", "s")
	check(t, standby.WaitReplayed(t.Context(), primary))
	const ahead, apart = "its consumer is ahead", "a log of its own"
	if r := readiness(t, survey(t, primary, standby), "s"); has(r.Why, ahead) || has(r.Why, apart) {
		t.Error("the standby follows")
	}
	check(t, standby.Set(t.Context(), "primary_conninfo", ""))
	until(t, "the standby receives nothing", func() bool { return value(t, standby, "select count(*) from pg_stat_wal_receiver") == "0" })
	insert(t, primary, 3)
	consume(t, primary, "s")
	if r := readiness(t, survey(t, primary, standby), "s"); r.Survives != slots.No || !has(r.Why, ahead) || has(r.Why, apart) {
		t.Error("the consumer is ahead of the standby")
	}

	check(t, primary.Stop(t.Context(), sandbox.Fast))
	check(t, standby.Promote(t.Context()))
	create(t, standby, "", "s")
	if err := primary.Rejoin(t.Context(), standby, ""); err == nil {
		t.Fatal("the old primary follows the new one, with a log of its own")
	}
	until(t, "the log of the new primary is past that of the old one", func() bool {
		insert(t, standby, 5)
		return lsn(t, standby, "select pg_current_wal_flush_lsn()") > lsn(t, primary, "select pg_last_wal_replay_lsn()")
	})
	if r := readiness(t, survey(t, standby, primary), "s"); r.Survives != slots.No || !has(r.Why, apart) {
		t.Error("the old primary has a log of its own")
	}
}
