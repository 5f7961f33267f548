package capture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Whatever ends a connection, the capture, a Save or the server: each commit is
// stored once.
func TestExactlyOnce(t *testing.T) {
	primary := sandboxtest.Primary(t)
	for _, tc := range []struct {
		name   string
		faults int
		fault  func(tr *trial, r *running) *running
	}{
		{"nothing happens", 1, func(_ *trial, r *running) *running { return r }},
		{"walsender ended", 8, func(tr *trial, r *running) *running {
			_, err := primary.Value(tr.ctx, fmt.Sprintf("select count(pg_terminate_backend(active_pid)) from pg_replication_slots where slot_name = '%s'", tr.slot()))
			tr.must(err)
			return r
		}},
		{"capture restarted", 8, func(tr *trial, r *running) *running {
			r.halt(tr.t)
			again := tr.capture()
			again.awaitReady(tr.t)
			return again
		}},
		{"save refused", 5, func(tr *trial, r *running) *running { tr.store.refuse.Store(1); return r }},
		{"reply to save lost", 5, func(tr *trial, r *running) *running { tr.store.lose.Store(1); return r }},
		{"server killed", 2, func(tr *trial, r *running) *running {
			tr.must(primary.Kill())
			tr.must(primary.Start(tr.ctx))
			return r
		}},
		{"server restarted", 1, func(tr *trial, r *running) *running {
			// A server that shuts down waits until all is confirmed.
			ctx, cancel := context.WithTimeout(tr.ctx, 40*time.Second)
			defer cancel()
			tr.must(primary.Stop(ctx, sandbox.Fast))
			tr.must(primary.Start(tr.ctx))
			return r
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTrial(t, primary, primary.DSN("postgres"))
			r := tr.capture()
			r.awaitReady(t)
			stop := tr.load(primary, 1)
			for range tc.faults {
				tr.pass(r, 20+rand.Int64N(100))
				r = tc.fault(tr, r)
			}
			tr.pass(r, 20)
			stop()
			tr.finish(r, primary)
			tr.exactly(primary)
			slot, confirmed := tr.slotOn(primary)
			progress, err := tr.store.Load(tr.ctx)
			tr.must(err)
			if slot.Active || confirmed > max(progress.End, progress.FollowedTo) || confirmed < progress.EndedAt {
				t.Errorf("slot %+v, progress %+v", slot, progress)
			}
		})
	}
}

func (tr *trial) slotOn(v *sandbox.Server) (node.Slot, pg.LSN) {
	tr.t.Helper()
	conn := tr.connect(v)
	defer node.Close(conn)
	var slot node.Slot
	tr.until("wait for the slot", func() bool {
		s, found, err := node.FindSlot(tr.ctx, conn, tr.slot())
		tr.must(err)
		slot = s
		return found && !s.Active
	})
	return slot, slot.Confirmed
}

// A repo that does not answer stops neither the feedback nor what is read into
// the batches, and nothing is confirmed. What was heard in part is heard again.
func TestSlowRepoAndHugeTransaction(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	r := tr.capture()
	r.awaitReady(t)
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
	tr.reach(r, 1)
	_, confirmed := tr.activeSlot(primary)
	release := tr.store.block()
	// Seven times a batch's bytes.
	const ops = 200_000
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, ops)))
	reported := func() string {
		at, err := primary.Value(tr.ctx, "select coalesce(max(reply_time)::text, '') from pg_stat_replication where application_name like '%capture'")
		tr.must(err)
		return at
	}
	for range 3 {
		before := reported()
		tr.until("wait for feedback", func() bool { return reported() != before })
	}
	if _, now := tr.activeSlot(primary); now > confirmed+1<<16 {
		t.Errorf("confirmed moved from %v to %v while nothing was stored", confirmed, now)
	}
	// Cut it off when some parts are stored.
	tr.store.pass(2)
	tr.until("wait for parts", func() bool { return r.Counters().Changes.Load() > 1 })
	r.halt(t)
	release()
	if n := len(tr.captured()); n != 1 {
		t.Fatalf("%d commits stored of the half-heard stream, want 1", n)
	}
	r = tr.capture()
	r.awaitReady(t)
	tr.reach(r, 1)
	tr.finish(r, primary)
	got := tr.captured()
	huge := got[txn.ID{Run: tr.run, Seq: 2}]
	if len(huge) != 1 || huge[0].Seen != ops {
		t.Errorf("the huge transaction: %+v", huge)
	}
	changes, err := repoServer.Value(tr.ctx, fmt.Sprintf("select count(*) || ' ' || count(distinct (seq, worker, id)) from pgrpo.change where run = %d", tr.run))
	tr.must(err)
	if want := fmt.Sprintf("%d %[1]d", ops+1+len(tr.workers)); changes != want {
		t.Errorf("changes stored and distinct: %s, want %s", changes, want)
	}
}

// insertMany is one transaction of worker 0 with n rows.
func insertMany(run txn.Run, seq txn.Seq, n int) string {
	return fmt.Sprintf("begin; insert into pgrpo.marker (seq, run, worker, ops, crc) values (%d, %d, 0, %d, 0);"+
		"insert into pgrpo.worker_0000 (id, seq, run, crc, payload) select %d::bigint * 1000000 + g, %[1]d, %d, 0, repeat('x', 64) from generate_series(1, %[3]d) g; commit",
		seq, run, n, seq, run)
}

func (tr *trial) activeSlot(v *sandbox.Server) (node.Slot, pg.LSN) {
	tr.t.Helper()
	conn := tr.connect(v)
	defer node.Close(conn)
	s, found, err := node.FindSlot(tr.ctx, conn, tr.slot())
	tr.must(err)
	if !found {
		tr.t.Fatal("no slot")
	}
	return s, s.Confirmed
}

// After a failover to a standby that lacks the last commits and the slot, the
// capture leaves the living old primary, begins at the fork, and records what
// it could not hear.
func TestPromotion(t *testing.T) {
	box := sandboxtest.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	primary, err := box.Primary(ctx, "alpha", nil)
	if err != nil {
		t.Fatal(err)
	}
	standby, err := box.Standby(ctx, "beta", primary, "")
	if err != nil {
		t.Fatal(err)
	}
	// The endpoint prefers whichever takes writes, the standby first.
	dsn := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", standby.Addr(), primary.Addr())
	tr := newTrial(t, primary, dsn)
	r := tr.capture()
	r.awaitReady(t)
	stop := tr.load(primary, 1)
	tr.pass(r, 100)
	stop()
	tr.must(standby.WaitReplayed(ctx, primary))
	tr.must(standby.Stop(ctx, sandbox.Fast))
	tr.must(primary.SetHBA(ctx, "host replication all 127.0.0.1/32 reject", "local replication all reject"))

	// These are captured, and will be lost.
	stop = tr.load(primary, 1_000_000)
	tr.pass(r, 50)
	stop()
	before := tr.markers(primary)
	tr.until("wait for the rest", func() bool { return len(tr.captured()) == len(before) })

	tr.must(standby.Start(ctx))
	tr.must(standby.Promote(ctx))
	r.Look()
	tr.until("wait for the new stream", func() bool { return r.Counters().Streams.Load() == 2 })
	stop = tr.load(standby, 2_000_000)
	tr.pass(r, 50)
	stop()
	tr.finish(r, standby)

	branches, err := tr.repo.Branches(ctx, tr.run)
	tr.must(err)
	if len(branches) != 2 || branches[1].Parent != 1 || branches[1].Fork == 0 {
		t.Fatalf("branches: %+v", branches)
	}
	fork := branches[1].Fork
	gaps, err := tr.repo.Gaps(ctx, tr.run)
	tr.must(err)
	if len(gaps) != 1 || gaps[0].Branch != 2 || gaps[0].From != fork || gaps[0].To <= fork || gaps[0].Slot != tr.slot() {
		t.Errorf("fork %v, gaps: %+v", fork, gaps)
	}
	markers, got := tr.markers(standby), tr.captured()
	tr.whole(markers, got)
	lost := 0
	for id, cs := range got {
		_, survives := markers[id]
		c := cs[0]
		byLog, known := branches.Survives(pg.Position{Branch: c.Branch, LSN: c.LSN}, 2)
		if !known || byLog != survives {
			t.Errorf("%v at %v on branch %d: there %v, by its position %v (known %v)", id, c.LSN, c.Branch, survives, byLog, known)
		}
		if !survives {
			lost++
		}
	}
	doomed := 0
	for id := range before {
		if id.Seq >= 1_000_000 {
			doomed++
		}
	}
	if doomed == 0 || lost != doomed {
		t.Errorf("%d captured transactions were lost, want %d", lost, doomed)
	}
}

// What a server sent before it died is stored, though nobody may ever send it
// again.
func TestLastWords(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	r := tr.capture()
	r.awaitReady(t)
	release := tr.store.block()
	for seq := range txn.Seq(2) {
		tr.must(primary.Exec(tr.ctx, insertMany(tr.run, seq+1, 1)))
		at := tr.lsnOf(primary, "select pg_current_wal_flush_lsn()")
		tr.until("wait for the stream", func() bool { return r.Counters().Received() >= at })
		// The first batch has gone to the store before the second is filled.
		tr.until("wait for the store", func() bool { return tr.store.waiting.Load() > 0 })
	}
	tr.must(primary.Kill())
	release()
	tr.until("wait for both", func() bool { return len(tr.captured()) == 2 })
	r.halt(t)
}

// A server that shuts down waits until its log is confirmed. It is not made to
// wait for a repo that takes nothing.
func TestShutdownWhileTheRepoIsAway(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	r := tr.capture()
	r.awaitReady(t)
	release := tr.store.block()
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
	tr.acked.Add(1)
	tr.until("wait for the store", func() bool { return tr.store.waiting.Load() > 0 })
	ctx, cancel := context.WithTimeout(tr.ctx, 40*time.Second)
	defer cancel()
	begun := time.Now()
	tr.must(primary.Stop(ctx, sandbox.Fast))
	t.Logf("the server took %v to shut down", time.Since(begun))
	release()
	tr.must(primary.Start(tr.ctx))
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
	tr.acked.Add(1)
	tr.until("wait for both", func() bool { return len(tr.captured()) == 2 })
	r.halt(t)
}
