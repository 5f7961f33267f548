package capture

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What a server sends again is compared with what is stored of it: another
// content at the same position is counted and told, and what is stored stays.
func TestMismatch(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	inRepo := func(sql string) {
		t.Helper()
		tr.must(repoServer.Exec(tr.ctx, fmt.Sprintf(sql, tr.run)))
	}
	r := tr.capture()
	r.awaitReady(t)
	r.halt(t)
	tr.slotOn(primary)
	slot := func(sql string) { t.Helper(); tr.must(primary.Exec(tr.ctx, fmt.Sprintf(sql, tr.slot()))) }
	slot("select pg_copy_logical_replication_slot('%s', 'before')")
	r = tr.capture()
	r.awaitReady(t)
	for seq := range txn.Seq(4) {
		tr.must(primary.Exec(tr.ctx, insertMany(tr.run, seq+1, 3)))
	}
	tr.reach(r, 4)
	r.halt(t)
	tr.slotOn(primary)

	// A slot that went back, and a gap before the first commit, make the
	// server send all of it again.
	slot("select pg_drop_replication_slot('%s')")
	slot("select pg_copy_logical_replication_slot('before', '%s')")
	progress, err := tr.store.Load(tr.ctx)
	tr.must(err)
	tr.must(tr.store.AddGap(tr.ctx, txn.Gap{Branch: progress.Branch, From: progress.Start - 1, To: progress.Start + 1, Reason: "test"}))
	inRepo("update pgrpo.commit set seen_crc = seen_crc + 1 where run = %d and seq = 2")
	inRepo("delete from pgrpo.commit where run = %d and seq = 3")

	var told heard
	r = tr.captureWith(&told)
	tr.until("wait for the resends", func() bool { return r.Counters().Duplicates.Load() == 4 })
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 5, 1)))
	tr.finish(r, primary)
	if n := r.Counters().Mismatches.Load(); n != 2 || told.count(EventMismatch) != 2 {
		t.Errorf("%d mismatches and %d events, want 2 each: %+v", n, told.count(EventMismatch), told.events)
	}
	if progress, err = tr.store.Load(tr.ctx); err != nil || progress.Duplicates != 4 || progress.Mismatches != 2 {
		t.Errorf("progress %+v, %v", progress, err)
	}
	got := tr.captured()
	for seq, want := range map[txn.Seq]int{1: 1, 2: 1, 3: 0, 4: 1, 5: 1} {
		if n := len(got[txn.ID{Run: tr.run, Seq: seq}]); n != want {
			t.Errorf("attempt %d is stored %d times, want %d", seq, n, want)
		}
	}
}
