package slots_test

import (
	"strconv"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// What happens to slots while the primary stays the same.
func TestCheckOnOneServer(t *testing.T) {
	t.Parallel()
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", nil)
	check(t, err)
	sql(t, v, "create table t (a int)")
	create(t, v, "", "given_up")
	for range 4 {
		insert(t, v, 1)
		sql(t, v, "select pg_switch_wal()")
	}
	create(t, v, "", "stays", "behind", "empty", "anew", "moved", "used", "poisoned", "poisoned_before", "gone", "regained")
	session, err := node.Connect(t.Context(), hosts(t, v)[0], "slots test")
	check(t, err)
	_, err = session.Exec(t.Context(), "select pg_create_logical_replication_slot('temporary', 'test_decoding', true)").ReadAll()
	check(t, err)
	poison := func(name string) {
		future := lsn(t, v, "select pg_current_wal_flush_lsn()") + 16000000
		release(t, v, name, stream(t, v, name, 0, future))
	}
	poison("poisoned_before")
	before := survey(t, v)
	consumers := map[string]pg.LSN{}
	for _, name := range []string{"stays", "anew", "poisoned", "used"} {
		consumers[name] = confirmed(t, v, name)
	}

	node.Close(session)
	sql(t, v, "begin; insert into t values (1); rollback")
	consumers["empty"] = lsn(t, v, "select pg_current_wal_flush_lsn()")
	insert(t, v, 3)
	consumers["behind"] = lsn(t, v, "select pg_current_wal_flush_lsn()")
	consumers["regained"] = consumers["behind"]
	insert(t, v, 2)
	sql(t, v, "select pg_drop_replication_slot('anew')", "select pg_drop_replication_slot('gone')", "select pg_drop_replication_slot('regained')",
		"alter system set max_slot_wal_keep_size = '48MB'", "select pg_reload_conf()", "checkpoint")
	create(t, v, "", "anew", "regained")
	consume(t, v, "moved")
	poison("poisoned")
	stream(t, v, "used", 0, 0)
	until(t, "given_up is given up", func() bool {
		sql(t, v, "checkpoint")
		return value(t, v, "select wal_status from pg_replication_slots where slot_name = 'given_up'") == "lost"
	})
	verify(t, checkAll(t, before, consumers, v), map[string]expect{
		"stays":           {verdict: slots.Survived},
		"behind":          {verdict: slots.SurvivedRewound, again: 3},
		"empty":           {verdict: slots.Survived},
		"anew":            {verdict: slots.GapRecreated},
		"regained":        {verdict: slots.GapRecreated},
		"moved":           {verdict: slots.NotChecked},
		"used":            {verdict: slots.NotChecked},
		"poisoned":        {verdict: slots.GapPoisoned, also: []slots.Verdict{slots.GapRecreated}},
		"poisoned_before": {verdict: slots.GapPoisoned, also: []slots.Verdict{slots.NotChecked}},
		"gone":            {verdict: slots.LostMissing},
		"given_up":        {verdict: slots.LostInvalidated},
		"temporary":       {verdict: slots.LostTemporary},
	})
	// What is inserted now never comes out of the poisoned slot, and does of another.
	insert(t, v, 1)
	if n := value(t, v, "select count(*) from pg_logical_slot_peek_changes('poisoned', null, null)"); n != "0" {
		t.Errorf("%s changes came out of the poisoned slot", n)
	}
	// The log comes past the position, and what was skipped stays so.
	for range 2 {
		sql(t, v, "select pg_switch_wal()")
		insert(t, v, 1)
	}
	ask := hosts(t, v)
	chosen, err := before.Choose([]string{"poisoned_before"})
	check(t, err)
	verify(t, slots.Check(t.Context(), before, slots.Survey(t.Context(), ask), chosen, nil, ask, patience), map[string]expect{
		"poisoned_before": {verdict: slots.GapPoisoned, also: []slots.Verdict{slots.NotChecked}},
	})
}

// What a failover to a standby does to slots, in a server that keeps none on
// standbys, so that another tool copies them there, and in one that does.
func TestCheckAcrossAFailover(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	settings := map[string]string{}
	failover := ""
	keeps := major(t) >= 17
	if keeps {
		settings["sync_replication_slots"], failover = "on", failoverSlot
	}
	primary, err := box.Primary(t.Context(), "primary", settings)
	check(t, err)
	sql(t, primary, "create table t (a int)")
	create(t, primary, failover, "idle")
	insert(t, primary, 2)
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	synced := []string{"exact", "stale", "ahead", "skipped"}
	create(t, primary, failover, synced...)
	create(t, primary, "", "plain")
	if keeps {
		for _, name := range append(synced, "exact") {
			until(t, name+" is synced", func() bool {
				sql(t, primary, "select pg_log_standby_snapshot()")
				consume(t, primary, name)
				return value(t, standby, "select synced and not temporary from pg_replication_slots where slot_name = '"+name+"'") == "t"
			})
		}
		if temporary := value(t, standby, "select temporary from pg_replication_slots where slot_name = 'idle'"); temporary != "t" {
			t.Fatalf("the idle slot is temporary: %q", temporary)
		}
		for _, name := range synced {
			at := confirmed(t, primary, name)
			until(t, name+" is where it is on the primary", func() bool { return confirmed(t, standby, name) == at })
		}
	}
	sql(t, primary, "checkpoint")
	var copied []slotState
	for _, name := range synced {
		copied = append(copied, slotFile(t, primary, name))
	}
	before := survey(t, primary, standby)
	if keeps {
		// The worker takes what is temporary with it, as a promotion does.
		check(t, standby.Set(t.Context(), "sync_replication_slots", "off"))
		until(t, "the worker is gone", func() bool {
			return value(t, standby, "select count(*) from pg_stat_activity where backend_type = 'slotsync worker'") == "0"
		})
	}
	consumers := map[string]pg.LSN{"exact": confirmed(t, primary, "exact"), "plain": confirmed(t, primary, "plain")}
	insert(t, primary, 5)
	consumers["stale"] = consume(t, primary, "stale")
	check(t, standby.WaitReplayed(t.Context(), primary))
	check(t, standby.Stop(t.Context(), sandbox.Fast))
	if !keeps {
		// As a tool does that copies slots to a standby.
		for _, c := range copied {
			c.put(t, standby)
		}
	}
	insert(t, primary, 50)
	consumers["ahead"], consumers["skipped"] = consume(t, primary, "ahead"), consume(t, primary, "skipped")
	check(t, primary.Kill())
	check(t, standby.Start(t.Context()))
	check(t, standby.Promote(t.Context()))
	// The old primary comes back and takes writes: it is not the survivor.
	check(t, primary.Start(t.Context()))
	made := 0
	until(t, "the new log is past the old one", func() bool {
		insert(t, standby, 20)
		made += 20
		return lsn(t, standby, "select pg_current_wal_flush_lsn()") > consumers["skipped"]
	})
	release(t, standby, "skipped", stream(t, standby, "skipped", consumers["skipped"], consumers["skipped"]))
	want := map[string]expect{
		"exact":   {verdict: slots.Survived},
		"stale":   {verdict: slots.SurvivedRewound, again: 5},
		"ahead":   {verdict: slots.Ahead, also: []slots.Verdict{slots.SurvivedRewound}, again: 5},
		"skipped": {verdict: slots.GapSkipped, also: []slots.Verdict{slots.Ahead}},
		"plain":   {verdict: slots.LostMissing},
		"idle":    {verdict: slots.LostMissing},
	}
	if keeps {
		want["idle"] = expect{verdict: slots.LostTemporary}
	}
	all := checkAll(t, before, consumers, primary, standby)
	verify(t, all, want)
	if all[0].Node != standby.Addr() {
		t.Errorf("judged on %s, want %s", all[0].Node, standby.Addr())
	}
	// What the verdicts say is so: some of what the new primary committed comes out of
	// the one slot and not out of the other.
	count := func(name string) int {
		n, err := strconv.Atoi(value(t, standby, "select count(*) from pg_logical_slot_peek_changes('"+name+"', null, null) where data like '%INSERT%'"))
		check(t, err)
		return n
	}
	if exact, skipped := count("exact"), count("skipped"); exact != made+5 || skipped >= made {
		t.Errorf("of %d transactions %d and 5 old ones come, want all; %d come out of the slot that skips, want fewer", made, exact-5, skipped)
	}
}
