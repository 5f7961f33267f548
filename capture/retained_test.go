package capture

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A slot that holds back too much of the log, because the repo takes nothing, is
// dropped, whether a stream runs or not. When the repo is back it is made again,
// and the gap is recorded.
func TestSlotDroppedRatherThanDiskFilled(t *testing.T) {
	primary := sandboxtest.Primary(t)
	for _, streaming := range []bool{true, false} {
		t.Run(map[bool]string{true: "streaming", false: "without a stream"}[streaming], func(t *testing.T) {
			tr := newTrial(t, primary, primary.DSN("postgres"))
			tr.maxRetained = 8 << 20
			var told heard
			r := tr.captureWith(&told)
			r.awaitReady(t)
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
			tr.reach(r, 1)
			slots := func() string {
				n, err := primary.Value(tr.ctx, "select count(*) from pg_replication_slots where slot_name = '"+tr.slot()+"'")
				tr.must(err)
				return n
			}
			if slots() != "1" {
				t.Fatal("there is no slot before it can be too much")
			}
			if !streaming {
				r.halt(t)
				tr.slotOn(primary)
				tr.store.away.Store(true)
			}
			release := tr.store.block()
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 80_000)))
			unheard := tr.lsnOf(primary, "select pg_current_wal_flush_lsn()")
			if streaming {
				r.Look()
			} else {
				r = tr.captureWith(&told)
			}
			tr.until("wait until the slot is dropped", func() bool { return told.count(EventSlotDropped) == 1 })
			if n := slots(); n != "0" {
				t.Errorf("%s slots are left", n)
			}
			release()
			tr.store.away.Store(false)
			tr.until("wait for the gap", func() bool { return r.Counters().Gaps.Load() == 1 })
			tr.until("wait for the stream", func() bool { return tr.slotUser(primary) != "" })
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 3, 1)))
			tr.until("wait for the third", func() bool { return len(tr.captured()[txn.ID{Run: tr.run, Seq: 3}]) == 1 })
			tr.finish(r, primary)
			gaps, err := tr.repo.Gaps(tr.ctx, tr.run)
			tr.must(err)
			if len(gaps) != 1 || gaps[0].To < unheard || gaps[0].Reason == "slot missing" {
				t.Errorf("gaps: %+v, unheard up to %v", gaps, unheard)
			}
			t.Logf("gap: %+v", gaps)
			got := tr.captured()
			if len(got[txn.ID{Run: tr.run, Seq: 1}]) != 1 || len(got[txn.ID{Run: tr.run, Seq: 2}]) != 0 {
				t.Errorf("captured: %+v", got)
			}
			var progress []repo.Progress
			progress, err = tr.repo.Progresses(tr.ctx, tr.run)
			tr.must(err)
			if len(progress) != 1 || progress[0].OpenTxn != nil {
				t.Errorf("progress: %+v", progress)
			}
			parts, err := repoServer.Value(tr.ctx, "select count(*) from pgrpo.change where seq = 2 and run = "+fmt.Sprint(tr.run))
			tr.must(err)
			if parts != "0" {
				t.Errorf("%s changes are left of the transaction that was not heard to its end", parts)
			}
		})
	}
}
