package slots_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// Two standbys that are promoted at one position have the same timeline and the same
// history, and each a log of its own: a position on the one says nothing of a slot
// on the other, however well that looks.
func TestCheckOfTwins(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	sql(t, primary, "create table t (a int)")
	var twins []*sandbox.Server
	for _, name := range []string{"a", "b"} {
		v, err := box.Standby(t.Context(), name, primary, "")
		check(t, err)
		check(t, v.WaitStreaming(t.Context(), primary))
		twins = append(twins, v)
	}
	check(t, primary.Stop(t.Context(), sandbox.Fast))
	for _, v := range twins {
		check(t, v.Promote(t.Context()))
		create(t, v, "", "level", "behind")
	}
	a, b := twins[0], twins[1]
	history := "select pg_read_file('pg_wal/00000002.history')"
	if value(t, a, history) != value(t, b, history) {
		t.Fatal("the histories differ: these are no twins")
	}
	insert(t, a, 5)
	consumers := map[string]pg.LSN{"level": consume(t, a, "level"), "behind": consume(t, a, "behind")}
	before := keep(t, a)
	sql(t, a, "select pg_switch_wal()")
	afterSwitch := keep(t, a)
	check(t, a.Kill())
	until(t, "the log of b is past that of a", func() bool {
		insert(t, b, 5)
		return lsn(t, b, "select pg_current_wal_flush_lsn()") > consumers["behind"]
	})
	// The slot is where the consumer was on the other log.
	release(t, b, "level", stream(t, b, "level", 0, consumers["level"]))
	want := map[string]expect{"level": {verdict: slots.NotChecked}, "behind": {verdict: slots.NotChecked}}
	verify(t, checkAll(t, before, consumers, b), want)
	// Past a switch of segments both logs have nothing but empty pages.
	sql(t, b, "select pg_switch_wal()", "insert into t values (1)")
	if end := lsn(t, b, "select pg_current_wal_flush_lsn()"); end < afterSwitch.Nodes[0].End {
		t.Fatalf("b has come to %s, and a to %s", end, afterSwitch.Nodes[0].End)
	}
	verify(t, checkAll(t, afterSwitch, consumers, b), want)
}

// A standby that is started without its standby.signal goes on with the timeline of
// its primary from where it was: the log is another one, and its number is not.
func TestCheckOfALogThatWasTakenBack(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	sql(t, primary, "create table t (a int)")
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	check(t, standby.WaitReplayed(t.Context(), primary))
	check(t, standby.Stop(t.Context(), sandbox.Fast))
	create(t, primary, "", "s")
	for range 3 {
		sql(t, primary, "select pg_switch_wal()")
		insert(t, primary, 5)
	}
	consumers := map[string]pg.LSN{"s": consume(t, primary, "s")}
	before := keep(t, primary)
	check(t, primary.Kill())
	check(t, os.Remove(filepath.Join(standby.Dir(), "standby.signal")))
	check(t, standby.Start(t.Context()))
	create(t, standby, "", "s")
	verify(t, checkAll(t, before, consumers, standby), map[string]expect{"s": {verdict: slots.Ahead, also: []slots.Verdict{slots.NotChecked}}})
	until(t, "the log is past the one before", func() bool {
		sql(t, standby, "select pg_switch_wal()")
		insert(t, standby, 1)
		return lsn(t, standby, "select pg_current_wal_flush_lsn()") > consumers["s"]
	})
	verify(t, checkAll(t, before, consumers, standby), map[string]expect{"s": {verdict: slots.NotChecked}})
}

// A server that was started again has the log that it had, as far as can be seen.
func TestCheckAfterARestart(t *testing.T) {
	t.Parallel()
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", nil)
	check(t, err)
	sql(t, v, "create table t (a int)")
	create(t, v, "", "level", "untold", "past", "gone")
	insert(t, v, 3)
	consumers := map[string]pg.LSN{"level": consume(t, v, "level")}
	before := keep(t, v)
	insert(t, v, 3)
	consumers["past"] = consume(t, v, "past")
	sql(t, v, "select pg_drop_replication_slot('gone')", "checkpoint")
	check(t, v.Kill())
	check(t, v.Start(t.Context()))
	verify(t, checkAll(t, before, consumers, v), map[string]expect{
		"level":  {verdict: slots.Survived},
		"untold": {verdict: slots.Survived},
		"past":   {verdict: slots.NotChecked},
		"gone":   {verdict: slots.LostMissing},
	})
}
