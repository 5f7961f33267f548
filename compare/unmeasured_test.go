package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// objective is one of a result's, by its name.
func objective(res compare.Result, name string) compare.Objective {
	return res.Objectives[slices.IndexFunc(res.Objectives, func(o compare.Objective) bool { return o.Name == name })]
}

// twoDrivers is a run of two processes with one worker each, that both wrote each
// 100 ms but for three seconds in the middle, in which all was refused. The second
// one's host has a clock that is behind by skew; clocks are what the repo measured.
func twoDrivers(skew time.Duration, clocks [2]txn.ClockBound) *evidence {
	ev := newEvidence()
	each := func(n int, conn txn.Conn) {
		for range n {
			ev.clock += 100 * ms
			ev.keep(0, conn)
			ev.keep(1, conn)
		}
	}
	each(200, before)
	ev.fail()
	ev.clock += 1500 * ms
	ev.facts.Drivers[0].Probes = append(ev.facts.Drivers[0].Probes, txn.Probe{At: ev.clock, Fault: txn.Refused})
	each(200, after)
	ev.settle()
	ev.facts.Branches[1].Fork = ev.lsn - 200*2*0x100 + 0x80
	second := ev.facts.Drivers[0]
	second.ID, second.Started, second.Clock, second.Probes = 1, second.Started.Add(-skew), clocks[1], slices.Clone(second.Probes)
	for i := range second.Probes {
		second.Probes[i].Worker = 1
	}
	ev.facts.Drivers[0].Clock = clocks[0]
	ev.facts.Drivers = append(ev.facts.Drivers, second)
	ev.facts.Reserves[1].Driver = 1
	return ev
}

// A time in which nobody could write is one of all drivers: it is found on the one
// clock that the repo sets theirs against, and where that is not known neither a
// breach nor its absence is proven.
func TestOutageOfTwoDrivers(t *testing.T) {
	tight := txn.ClockBound{Error: ms}
	for _, test := range []struct {
		name   string
		skew   time.Duration
		clocks [2]txn.ClockBound
		limit  time.Duration
		want   compare.Verdict
	}{
		{"clocks that agree", 0, [2]txn.ClockBound{tight, tight}, time.Second, compare.Breached},
		{"a clock that is far off", 10 * time.Second, [2]txn.ClockBound{tight, {Offset: 10 * time.Second, Error: ms}}, time.Second, compare.Breached},
		{"a limit that was kept", 10 * time.Second, [2]txn.ClockBound{tight, {Offset: 10 * time.Second, Error: ms}}, 4 * time.Second, compare.Met},
		{"a limit within the errors", 0, [2]txn.ClockBound{tight, {Error: 400 * ms}}, 3500 * ms, compare.Inconclusive},
		{"a breach within the errors", 0, [2]txn.ClockBound{tight, {Error: 400 * ms}}, 2800 * ms, compare.Inconclusive},
		{"a clock that is far off and not measured", 10 * time.Second, [2]txn.ClockBound{tight, {}}, time.Second, compare.Inconclusive},
		{"clocks that were not measured", 0, [2]txn.ClockBound{}, time.Second, compare.Inconclusive},
		{"a limit that was kept, by clocks that were not measured", 0, [2]txn.ClockBound{}, 4 * time.Second, compare.Inconclusive},
	} {
		ev, c := twoDrivers(test.skew, test.clocks), testCase()
		c.Limits.RTOGlobal = &test.limit
		res, found := ev.judge(t, c)
		if o := objective(res, compare.RTOGlobal); o.Verdict != test.want || res.Verdict != test.want || len(found) > 0 {
			t.Errorf("%s: %v, measured %v, run %v %q; want %v", test.name, o.Verdict, o.Measured, res.Verdict, res.Reasons, test.want)
		}
	}
}

// Whoever asks nothing hears of no outage: a time in which nothing was asked of the
// service, as where the tester itself stood still, is not one that it was there.
func TestNothingWasAsked(t *testing.T) {
	for _, test := range []struct {
		limit time.Duration
		want  compare.Verdict
	}{{4 * time.Second, compare.Inconclusive}, {6 * time.Second, compare.Met}, {time.Second, compare.Breached}} {
		ev, c := failover(nil, nil), testCase()
		ev.clock += 5 * time.Second
		ev.keep(0, after)
		ev.keep(1, after)
		for i := range ev.facts.Reserves {
			ev.facts.Reserves[i].Used++
		}
		c.Limits.RTOGlobal, c.Limits.RTOWorkerMax = &test.limit, &test.limit
		res, _ := ev.judge(t, c)
		for _, name := range []string{compare.RTOGlobal, compare.RTOWorkerMax} {
			if o := objective(res, name); o.Verdict != test.want || (o.Why != "") != (test.want == compare.Inconclusive) {
				t.Errorf("%s within %v: %v, %q, want %v", name, test.limit, o.Verdict, o.Why, test.want)
			}
		}
	}
}

// A fault past the load is a fault: a survivor that no attempt met was restarted or
// promoted since.
func TestSurvivorThatTheLoadNeverMet(t *testing.T) {
	for _, test := range []struct {
		name     string
		survivor compare.Survivor
		want     compare.Verdict
	}{
		{"the server of the load", compare.Survivor{Branch: 1, Start: 100, Proven: true}, compare.Met},
		{"its process is not known", compare.Survivor{Branch: 1, Proven: true}, compare.Met},
		{"another branch", compare.Survivor{Branch: 2, Start: 100, Proven: true}, compare.Inconclusive},
		{"another process", compare.Survivor{Branch: 1, Start: 200, Proven: true}, compare.Inconclusive},
	} {
		ev := newEvidence()
		for range 5 {
			ev.keep(0, before)
			ev.keep(1, before)
		}
		ev.settle()
		ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
		ev.facts.Survivor = test.survivor
		c := testCase()
		c.Expect = compare.ExpectNone
		if res, _ := ev.judge(t, c); res.Verdict != test.want {
			t.Errorf("%s: verdict %v, reasons %q, want %v", test.name, res.Verdict, res.Reasons, test.want)
		}
	}
}

// The time that was lost is known where it is known which server acked it: acks of
// a branch that is not known may be of any, and only an outage ends them.
func TestLostTimeOfABranchThatIsNotKnown(t *testing.T) {
	const strange = txn.Conn(7)
	lost := func(ev *evidence) {
		ev.send(0, txn.Entry{LSN: ev.next(), Conn: strange, Outcome: txn.Acked})
		ev.clock += 500 * ms
		ev.keep(1, before)
	}
	for _, test := range []struct {
		name      string
		threshold time.Duration
		limit     time.Duration
		want      compare.Verdict
	}{
		{"past the limit at the most", time.Second, 100 * ms, compare.Inconclusive},
		{"within the limit at the most", time.Second, time.Second, compare.Met},
		{"no outage", time.Minute, time.Second, compare.Inconclusive},
	} {
		ev, c := failover(lost, nil), testCase()
		known, allowed := ev.facts.BranchOf, int64(5)
		ev.facts.BranchOf = func(d txn.Driver, conn txn.Conn) pg.BranchID {
			if conn == strange {
				return 0
			}
			return known(d, conn)
		}
		c.OutageThreshold, c.Limits.Transactions, c.Limits.Span = test.threshold, &allowed, &test.limit
		res, _ := ev.judge(t, c)
		if o := objective(res, compare.RPOSeconds); o.Verdict != test.want {
			t.Errorf("%s: %v, measured %v, want %v", test.name, o.Verdict, o.Measured, test.want)
		}
	}
}

// An outage between two lost acks of a branch is not the one that lost them: the
// time goes on to the one after the last of them.
func TestLostTimeAcrossAnOutageBefore(t *testing.T) {
	lose := func(ev *evidence) { ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked}) }
	ev := failover(func(ev *evidence) {
		lose(ev)
		for range 3 {
			ev.clock += 500 * ms
			ev.facts.Drivers[0].Probes = append(ev.facts.Drivers[0].Probes, txn.Probe{At: ev.clock, Fault: txn.Refused})
		}
		lose(ev)
	}, nil)
	c, allowed, limit := testCase(), int64(5), time.Second
	c.Limits.Transactions, c.Limits.Span = &allowed, &limit
	res, _ := ev.judge(t, c)
	if o := objective(res, compare.RPOSeconds); o.Verdict != compare.Breached || res.RPO.Span != 1502*ms {
		t.Errorf("%v, a span of %v, want breached, 1.502 s", o.Verdict, res.RPO.Span)
	}
}

// A lost attempt that came at two positions, on two forks, counts at both.
func TestWALOfALossOnTwoForks(t *testing.T) {
	ev := failover(func(ev *evidence) {
		id, ops := ev.send(0, txn.Entry{LSN: fork + 0x10, Conn: before, Outcome: txn.Acked})
		ev.capture(id, 1, fork+0x100, ops)
		ev.capture(id, 3, fork+0x200, ops)
	}, nil)
	ev.facts.Branches = append(ev.facts.Branches,
		pg.Branch{ID: 3, System: 7, Timeline: 3, HasHistory: true, Parent: 1, Fork: fork - 0x400})
	res, _ := ev.judge(t, testCase())
	// 0x140 past one fork, and 0x640 past the other.
	if w := res.RPO.WAL; !w.Exact() || w.Max != 0x140+0x640 {
		t.Errorf("WAL bytes %+v, want %d", w, 0x140+0x640)
	}
}
