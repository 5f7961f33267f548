package capture

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A slot that somebody dropped, moved or pushed past the end of the log is a
// gap, and the capture goes on.
func TestSlotTrouble(t *testing.T) {
	primary := sandboxtest.Primary(t)
	byHand := func(sql string) func(*trial) {
		return func(tr *trial) { tr.must(primary.Exec(tr.ctx, fmt.Sprintf(sql, tr.slot()))) }
	}
	for _, tc := range []struct {
		name   string
		harm   func(*trial)
		reason string
	}{
		{"dropped", byHand("select pg_drop_replication_slot('%s')"), "slot missing"},
		{"advanced", byHand("select pg_replication_slot_advance('%s', pg_current_wal_flush_lsn())"), "slot ahead of what was stored"},
		{"poisoned", (*trial).poison, "slot confirmed past the end of the log"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTrial(t, primary, primary.DSN("postgres"))
			r := tr.capture()
			r.awaitReady(t)
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
			tr.reach(r, 1)
			r.halt(t)
			progress, err := tr.store.Load(tr.ctx)
			tr.must(err)
			tr.slotOn(primary)
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
			unheard := tr.lsnOf(primary, "select pg_current_wal_flush_lsn()")
			tc.harm(tr)
			r = tr.capture()
			r.awaitReady(t)
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 3, 1)))
			tr.reach(r, 1)
			tr.finish(r, primary)
			gaps, err := tr.repo.Gaps(tr.ctx, tr.run)
			tr.must(err)
			if len(gaps) != 1 || gaps[0].From != max(progress.End, progress.FollowedTo) || gaps[0].To < unheard || gaps[0].Reason != tc.reason {
				t.Errorf("progress %+v, gaps %+v", progress, gaps)
			}
			got := tr.captured()
			if len(got[txn.ID{Run: tr.run, Seq: 1}]) != 1 || len(got[txn.ID{Run: tr.run, Seq: 2}]) != 0 || len(got[txn.ID{Run: tr.run, Seq: 3}]) != 1 {
				t.Errorf("captured %+v", got)
			}
		})
	}
}

// poison confirms a position that the server's log has not reached.
func (tr *trial) poison() {
	tr.t.Helper()
	v, err := call(tr.ctx, tr.target, "test")
	tr.must(err)
	defer v.close()
	future := v.system.Position + 1<<20
	s, err := startStream(tr.ctx, v.repl, request{slot: tr.slot(), publication: node.NameOf(tr.run), version: v.id.VersionNum})
	tr.must(err)
	s.confirm(future)
	tr.must(s.end(tr.ctx))
}

// A server that lacks the last captured marker has gone backwards: nothing is
// concluded from what was stored of it before.
func TestBackwards(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	r := tr.capture()
	r.awaitReady(t)
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
	tr.reach(r, 1)
	r.halt(t)
	tr.must(primary.Exec(tr.ctx, fmt.Sprintf("delete from pgrpo.marker where run = %d", tr.run)))
	r = tr.capture()
	r.awaitReady(t)
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
	tr.finish(r, primary)
	branches, err := tr.repo.Branches(tr.ctx, tr.run)
	tr.must(err)
	if len(branches) != 2 || branches[1].Reason != pg.ReasonBackwards {
		t.Fatalf("branches: %+v", branches)
	}
	gaps, err := tr.repo.Gaps(tr.ctx, tr.run)
	tr.must(err)
	if len(gaps) != 1 || gaps[0].Branch != 2 || gaps[0].From != 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	got := tr.captured()
	for seq, branch := range map[txn.Seq]pg.BranchID{1: 1, 2: 2} {
		if cs := got[txn.ID{Run: tr.run, Seq: seq}]; len(cs) != 1 || cs[0].Branch != branch {
			t.Errorf("attempt %d: %+v", seq, cs)
		}
	}
}

// Of two captures of one slot the later has the stream; the earlier ends.
func TestTakenOver(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	first := tr.capture()
	first.awaitReady(t)
	stop := tr.load(primary, 1)
	tr.pass(first, 10)
	tr.store = &faulty{Store: InRepo(tr.repo, tr.run, tr.slot())}
	second := tr.capture()
	if err := <-first.done; !errors.Is(err, repo.ErrFenced) {
		t.Errorf("the first capture ended with %v", err)
	}
	second.awaitReady(t)
	tr.pass(second, 10)
	stop()
	tr.finish(second, primary)
	tr.exactly(primary)
}

// A commit that waits for a synchronous standby is in the stream and visible to
// nobody: that it cannot be seen is no sign of a log that went backwards.
func TestUnseenCommit(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	r := tr.capture()
	r.awaitReady(t)
	tr.must(primary.Set(tr.ctx, "synchronous_standby_names", "nosuch"))
	waiting, sent := make(chan error, 1), txn.Seq(0)
	send := func() {
		sent++
		sql := insertMany(tr.run, sent, 1)
		go func() { waiting <- primary.Exec(tr.ctx, sql) }()
	}
	send()
	// The server's processes learn of the setting one after another.
	tr.until("wait for a commit that waits", func() bool {
		select {
		case err := <-waiting:
			tr.must(err)
			send()
		default:
		}
		n, err := primary.Value(tr.ctx, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")
		tr.must(err)
		return n != "0"
	})
	tr.reach(r, int64(sent))
	tr.must(primary.Exec(tr.ctx, fmt.Sprintf("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '%s'", tr.slot())))
	tr.until("wait for the new stream", func() bool { return r.Counters().Streams.Load() == 2 })
	select {
	case err := <-waiting:
		t.Fatalf("the commit did not wait: %v", err)
	default:
	}
	tr.must(primary.Set(tr.ctx, "synchronous_standby_names", ""))
	tr.must(<-waiting)
	tr.finish(r, primary)
	branches, err := tr.repo.Branches(tr.ctx, tr.run)
	tr.must(err)
	if len(branches) != 1 {
		t.Errorf("branches: %+v", branches)
	}
	tr.whole(nil, tr.captured())
}
