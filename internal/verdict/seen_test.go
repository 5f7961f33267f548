package verdict_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
	"github.com/pgrpo/pgrpo/slots"
)

// A slot that is dropped and made again under its name while the run goes on, faster
// than the stream is read again, is seen to be another one, by the watch as well as by
// the stream; all that was seen is kept, for a later judgement too.
func TestSlotMadeAgainBehindTheRun(t *testing.T) {
	c := config(t)
	c.Rate = 20
	stored, err := node.Parse(c.Repo)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Fault = func(ctx context.Context) error {
		defer cancel()
		conn, err := node.Connect(ctx, c.Primary, "verdict test")
		if err != nil {
			return err
		}
		defer node.Close(conn)
		// Many transactions, so that the slot after it has decoded fewer for long.
		for _, sql := range []string{"create table other (a int)",
			"do $$ begin for i in 1..2000 loop insert into other values (i); commit; end loop; end $$"} {
			if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
				return err
			}
		}
		if err := untilHolds(ctx, c.Primary, "select coalesce(max(total_txns), 0) >= 2000 from pg_stat_replication_slots"); err != nil {
			return err
		}
		if err := untilHolds(ctx, stored, "select count(*) > 0 from pgrpo.event where kind = 'watch_watching'"); err != nil {
			return err
		}
		// What is made now is seen by a look that sees those as well.
		if _, err := conn.Exec(ctx, "select pg_create_physical_replication_slot('beacon')").ReadAll(); err != nil {
			return err
		}
		if err := untilHolds(ctx, stored, "select count(*) > 0 from pgrpo.event where kind = 'watch_appeared' and body ->> 'slot' = 'beacon'"); err != nil {
			return err
		}
		// The stream may be there again before the slot is dropped.
		const remake = `do $$ begin loop
  perform pg_terminate_backend(active_pid) from pg_replication_slots where active;
  begin
    perform pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name <> 'beacon';
    exit;
  exception when object_in_use then
    perform pg_sleep(0.001);
  end;
 end loop; end $$`
		if _, err := conn.Exec(ctx, remake).ReadAll(); err != nil {
			return err
		}
		return untilHolds(ctx, stored, "select count(*) > 0 from pgrpo.event where kind = 'watch_remade'")
	}
	e, err := run.Do(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	slot := func(e *run.Evidence) report.Slot {
		t.Helper()
		r, err := verdict.Reach(t.Context(), e, compare.Case{Expect: compare.ExpectNone, Limits: compare.Limits{CDC: new(int64)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Slots) != 1 || r.Judged() == compare.Met {
			t.Fatalf("verdict %s, slots %+v", r.Verdict, r.Slots)
		}
		return r.Slots[0]
	}
	first := slot(e)
	if first.Verdict != "lost_missing" || !slices.Contains(first.Also, "gap_recreated") {
		t.Errorf("%+v", first)
	}
	seen, err := e.Seen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	remade := slices.IndexFunc(seen, func(c slots.Change) bool {
		return c.Slot == e.Record.Slot && c.Kind == slots.Remade && c.Weight == slots.Bad && c.Before != nil && c.After != nil
	})
	if remade < 0 || seen[0].Kind != slots.Watching {
		t.Errorf("seen: %+v", seen)
	}
	looks := 0
	for look, err := range e.Repo.Slots(t.Context(), e.Record.Run) {
		if err != nil || !strings.Contains(string(look.Body), look.Name) || look.Node == "" {
			t.Errorf("%+v, %v", look, err)
		}
		looks++
	}
	if looks == 0 {
		t.Error("no look at the slot is kept")
	}
	// What capture met is one witness; without it, there is still the other.
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, err = run.Finish(t.Context(), c, e.Place); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	db, err := node.Connect(t.Context(), stored, "verdict test")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(db)
	if _, err := db.Exec(t.Context(), "delete from pgrpo.gap").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if again := slot(e); again.Verdict != "gap_recreated" || !strings.Contains(again.Reason, "was dropped and made again") && !strings.Contains(again.Reason, "was gone, and was made again") {
		t.Errorf("%+v", again)
	}
}
