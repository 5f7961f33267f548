package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// xids asks a server by plain SQL which transaction id wrote each attempt.
func (tr *trial) xids(t *testing.T, v *sandbox.Server) map[pg.Xid]txn.ID {
	t.Helper()
	text, err := v.Value(t.Context(), fmt.Sprintf(
		"select string_agg(xmin || ' ' || worker || ' ' || seq, ',') from pgrpo.marker where run = %d and worker >= 0", tr.evidence.Record.Run))
	if err != nil {
		t.Fatal(err)
	}
	found := map[pg.Xid]txn.ID{}
	for field := range strings.SplitSeq(text, ",") {
		id := txn.ID{Run: tr.evidence.Record.Run}
		var xid pg.Xid
		if _, err := fmt.Sscanf(field, "%d %d %d", &xid, &id.Worker, &id.Seq); err != nil {
			t.Fatalf("marker %q: %v", field, err)
		}
		found[xid] = id
	}
	return found
}

// usesAgain sees to it that the history was worth its name: among what was
// acked, transaction ids and positions of lost attempts are those of others on
// the survivor too, which has its ids by plain SQL.
func (tr *trial) usesAgain(t *testing.T, lost attempts, survivor *sandbox.Server) {
	t.Helper()
	entries, there := tr.entries(t), tr.xids(t, survivor)
	least, greatest, same := pg.LSN(0), pg.LSN(0), 0
	for id := range lost {
		e := entries[id]
		if least == 0 || e.LSN < least {
			least = e.LSN
		}
		greatest = max(greatest, e.LSN)
		if other, used := there[e.Xid]; used && other != id {
			same++
		}
	}
	within := 0
	for _, id := range there {
		if e := entries[id]; least <= e.LSN && e.LSN <= greatest {
			within++
		}
	}
	if same == 0 || within == 0 {
		t.Errorf("of %d lost, between %v and %v, %d transaction ids were used again, and %d positions", len(lost), least, greatest, same, within)
	}
}

// tracks is what the branches of a run look like: timeline, parent, reason.
func (tr *trial) tracks() []string {
	var all []string
	for _, b := range tr.evidence.Branches {
		all = append(all, fmt.Sprintf("%d<%d %s", b.Timeline, b.Parent, b.Reason))
	}
	return all
}

func (tr *trial) runsOn(t *testing.T, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, tr.tracks()); d != "" {
		t.Errorf("branches (-want +got):\n%s", d)
	}
}

// unheard sees to it that no witness but the rows speaks of what was lost.
func (tr *trial) unheard(t *testing.T, lost attempts) {
	t.Helper()
	w := tr.report.Witnesses
	if w.Rows.Lost != int64(len(lost)) || w.Log.Lost != 0 || w.ClientLSN.Lost != 0 || w.Disagreements != 0 {
		t.Errorf("of %d lost the rows say %d, the log %d, client LSN %d", len(lost), w.Rows.Lost, w.Log.Lost, w.ClientLSN.Lost)
	}
}

// unsure are the lost attempts of which only the rows can tell: they were not
// captured, and when they were about to commit the log had not come to the fork.
func (tr *trial) unsure(t *testing.T, lost attempts) attempts {
	t.Helper()
	entries, found := tr.entries(t), attempts{}
	for id := range lost.minus(tr.captured(t)) {
		e, left := entries[id], false
		on := tr.evidence.BranchOf(tr.driver(t, id), e.Conn)
		for _, b := range tr.evidence.Branches {
			left = left || b.Parent == on && e.LSN >= b.Fork
		}
		if !left {
			found[id] = true
		}
	}
	return found
}

// driver is the driver whose worker sent an attempt.
func (tr *trial) driver(t *testing.T, id txn.ID) txn.Driver {
	t.Helper()
	reserves, err := tr.evidence.Repo.Reserves(t.Context(), id.Run)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(reserves, func(r txn.Reserve) bool { return r.Worker == id.Worker })
	if at < 0 {
		t.Fatalf("nobody accounts for worker %d", id.Worker)
	}
	return reserves[at].Driver
}

// Two standbys with the same log are promoted one after the other: both are on
// timeline 2, with the same history.
func TestTwinTimelines(t *testing.T) {
	f := open(t)
	p := f.primary("primary", bare())
	a, _ := f.standby("first", p)
	b, _ := f.standby("second", p)
	c := load(t, f.Sandbox, dsn(p, a, b))
	c.Fault = oneByOne(
		func(ctx context.Context) error { return p.Stop(ctx, sandbox.Fast) },
		a.Promote, isHeard(a), takes(a), dies(a), b.Promote, takes(b))
	tr := judge(t, c)
	f.check(a.Start(t.Context()))
	tr.runsOn(t, "1<0 first seen", "2<1 new timeline", "2<0 WAL went backwards")
	// The file names alone do not tell the two apart.
	history := "select pg_read_file('pg_wal/00000002.history')"
	one, err := a.Value(t.Context(), history)
	f.check(err)
	two, err := b.Value(t.Context(), history)
	f.check(err)
	if one != two || one == "" {
		t.Errorf("histories %q and %q", one, two)
	}
	lost := tr.equals(t, tr.markers(t, a), tr.markers(t, b))
	tr.usesAgain(t, lost, b)
	tr.unheard(t, lost)
}

// A standby that lags is started without its standby.signal: it goes back on
// the timeline of its primary, without a promotion.
func TestStandbyWithoutItsSignal(t *testing.T) {
	f := open(t)
	p := f.primary("primary", bare())
	s, link := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(p, s))
	c.Fault = oneByOne(freezes(link), takes(p), dies(p, link),
		func(ctx context.Context) error { return s.Stop(ctx, sandbox.Fast) },
		s.StartAlone, takes(s))
	tr := judge(t, c)
	f.check(p.StartAlone(t.Context()))
	tr.runsOn(t, "1<0 first seen", "1<0 WAL went backwards")
	lost := tr.equals(t, tr.markers(t, p), tr.markers(t, s))
	tr.usesAgain(t, lost, s)
	tr.unheard(t, lost)
	// The first end transaction may come before capture has found the server.
	if c := tr.report.Capture; !c.Complete {
		t.Errorf("the stream was not followed to its end: %+v", c)
	}
}

// A crash loses what was acked and not yet written; the server goes on with
// those ids and positions.
func TestAsyncCommitCrash(t *testing.T) {
	for _, seed := range rounds(t) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			tr := play(t, scenario.AsyncCommitCrash, seed)
			tr.runsOn(t, "1<0 first seen", "1<0 WAL went backwards")
			tr.saysLost(t, tr.markers(t, tr.cluster.Primary))
			lost := tr.findings(t, compare.LostTransaction)
			tr.usesAgain(t, lost, tr.cluster.Primary)
			tr.unheard(t, lost)
		})
	}
}

// One session is killed, and the server recovers under the start time that it
// had, without what was not written.
func TestSessionKilled(t *testing.T) {
	f := open(t)
	p := f.primary("primary", map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_buffers": "64MB", "full_page_writes": "off"})
	c := load(t, f.Sandbox, dsn(p))
	start := "select pg_postmaster_start_time()"
	before, err := p.Value(t.Context(), start)
	f.check(err)
	c.Fault = func(ctx context.Context) error {
		writer, err := p.HoldWAL(ctx)
		if err != nil {
			return err
		}
		if err := takes(p)(ctx); err != nil {
			return err
		}
		session, err := p.Backend(ctx, "client backend")
		if err != nil {
			return err
		}
		// The writer stands still and could not end by itself.
		if err := errors.Join(syscall.Kill(session, syscall.SIGKILL), syscall.Kill(writer, syscall.SIGKILL)); err != nil {
			return err
		}
		return oneByOne(recovers(p, writer), takes(p))(ctx)
	}
	tr := judge(t, c)
	after, err := p.Value(t.Context(), start)
	f.check(err)
	if before != after {
		t.Errorf("the server was started at %s, and again at %s", before, after)
	}
	tr.runsOn(t, "1<0 first seen", "1<0 WAL went backwards")
	tr.saysLost(t, tr.markers(t, p))
	lost := tr.findings(t, compare.LostTransaction)
	tr.usesAgain(t, lost, p)
	tr.unheard(t, lost)
}

// The load fails over with a loss and back to the old primary, which was not
// rewound: what the standby took meanwhile is lost, and what it lacked is back.
// What the old primary acknowledges then splits the service as much as if it had
// never been away.
func TestFailbackWithoutRewind(t *testing.T) {
	f := open(t)
	p := f.primary("primary", bare())
	s, link := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(p, s))
	c.Fault = oneByOne(freezes(link), takes(p), dies(p, link), s.Promote, isHeard(s), takes(s), dies(s), p.StartAlone, takes(p))
	tr := judge(t, c)
	f.check(s.Start(t.Context()))
	tr.runsOn(t, "1<0 first seen", "2<1 new timeline")
	lost := tr.equals(t, tr.markers(t, s), tr.markers(t, p), "split_brain")
	tr.usesAgain(t, lost, p)
	if w := tr.report.Witnesses; !w.Log.Heard || w.Log.Lost == 0 || w.Log.Lost+w.Log.Silent+w.Log.Survives != w.Rows.Lost+w.Rows.Survives {
		t.Errorf("the log says %+v, the rows %+v", w.Log, w.Rows)
	}
}

// Two switchovers in good order lose nothing; the history has two steps.
func TestFailbackInOrder(t *testing.T) {
	f := open(t)
	p := f.primary("primary", nil)
	s, _ := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(p, s))
	c.Fault = oneByOne(
		func(ctx context.Context) error { return sandbox.Switchover(ctx, p, s, "") }, isHeard(s), takes(s),
		func(ctx context.Context) error { return sandbox.Switchover(ctx, s, p, "") }, isHeard(p), takes(p))
	tr := judge(t, c)
	tr.runsOn(t, "1<0 first seen", "2<1 new timeline", "3<2 new timeline")
	if h := tr.evidence.Branches[2].History; len(h) != 2 {
		t.Errorf("history %v", h)
	}
	if tr.report.Judged() != compare.Met || !tr.report.Witnesses.Agree || len(tr.breaking()) != 0 {
		t.Errorf("verdict %s: %v", tr.report.Verdict, tr.report.Reasons)
	}
	if gone := tr.ledger(t, txn.Acked, txn.AckedUnreplicated).minus(tr.markers(t, p)); len(gone) > 0 {
		t.Errorf("acked and absent by plain SQL: %v", gone.list())
	}
}

// Two failovers, one after the other, each with a loss.
func TestDoubleFailover(t *testing.T) {
	f := open(t)
	p := f.primary("primary", nil)
	s1, link1 := f.standby("first", p)
	s2, link2 := f.standby("second", s1)
	for _, v := range []*sandbox.Server{p, s1, s2} {
		f.check(v.Set(t.Context(), "full_page_writes", "off"))
	}
	c := load(t, f.Sandbox, dsn(p, s1, s2))
	c.Fault = oneByOne(
		freezes(link1), takes(p), dies(p, link1), s1.Promote, isHeard(s1), takes(s1),
		func(ctx context.Context) error { return s2.WaitReplayed(ctx, s1) },
		freezes(link2), takes(s1), dies(s1, link2), s2.Promote, isHeard(s2), takes(s2))
	tr := judge(t, c)
	f.check(p.StartAlone(t.Context()))
	f.check(s1.Start(t.Context()))
	tr.runsOn(t, "1<0 first seen", "2<1 new timeline", "3<2 new timeline")
	bs := tr.evidence.Branches
	if h := bs[2].History; len(h) != 2 || bs[1].Fork != h[0].End || bs[2].Fork != h[1].End {
		t.Errorf("history %v, forks %v and %v", h, bs[1].Fork, bs[2].Fork)
	}
	first, second, survivor := tr.markers(t, p), tr.markers(t, s1), tr.markers(t, s2)
	dead := attempts{}
	for _, some := range []attempts{first, second} {
		for id := range some {
			dead[id] = true
		}
		if len(some.minus(survivor)) == 0 {
			t.Error("a failover lost nothing")
		}
	}
	lost := tr.equals(t, dead, survivor)
	tr.usesAgain(t, lost, s2)
	w, unsure := tr.report.Witnesses, int64(len(tr.unsure(t, lost)))
	if w.Log.Lost == 0 || w.ClientLSN.Lost+w.Log.Lost+unsure != w.Rows.Lost {
		t.Errorf("of %d lost the log says %d, client LSN %d, and %d may lie on either side of the fork", w.Rows.Lost, w.Log.Lost, w.ClientLSN.Lost, unsure)
	}
}
