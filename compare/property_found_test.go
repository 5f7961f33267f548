package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// An attempt between them that is known to be of no connection does not make the
// session of a lost and of a kept one another: through a pooler it is one that
// failed without telling which server it went to.
func TestHolePastAnAttemptOfNoConnection(t *testing.T) {
	ev := failover(func(ev *evidence) {
		ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
		ev.send(0, txn.Entry{Outcome: txn.Failed})
		ev.keep(0, before)
	}, nil)
	res, found := ev.judge(t, testCase())
	if d := cmp.Diff([]string{"hole 0/6", "lost_transaction 0/6"}, namesOf(found)); d != "" || res.Verdict != compare.Breached {
		t.Errorf("verdict %v (-want +found):\n%s", res.Verdict, d)
	}
}

// Of an attempt that was acked and could not be settled nothing is known: the run
// is not met.
func TestAckThatCouldNotBeSettled(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	ev.facts.Unresolved = map[txn.ID]string{{Run: testRun, Worker: 0, Seq: 6}: "a backend is left"}
	if res, found := ev.judge(t, testCase()); res.Verdict != compare.Inconclusive {
		t.Errorf("verdict %v, found %v, want inconclusive", res.Verdict, namesOf(found))
	}
}

// A connection that does not say which server it met may have met a fault: that
// none was seen proves nothing.
func TestNoFaultIsSeenWhereServersAreNotKnown(t *testing.T) {
	for name, hide := range map[string]func(ev *evidence){
		"the process": func(ev *evidence) { ev.facts.Drivers[0].Connections[1].Start = 0 },
		"the connection": func(ev *evidence) {
			ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
		},
		"the branch": func(ev *evidence) {
			ev.facts.Drivers[0].Connections[1].Start = ev.facts.Drivers[0].Connections[0].Start
			ev.facts.BranchOf = func(_ txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(c % 2) }
		},
	} {
		ev, c := failover(nil, nil), testCase()
		ev.facts.Drivers[0].Probes = nil
		c.Expect = compare.ExpectNone
		hide(ev)
		if res, _ := ev.judge(t, c); res.Verdict != compare.Inconclusive || res.FaultsSeen != 0 {
			t.Errorf("%s: verdict %v, %d faults seen, want inconclusive, none", name, res.Verdict, res.FaultsSeen)
		}
	}
}

// A worker that is refused again and again loses a connection in each outage of
// all, also in those between the first and the last refusal.
func TestOutageBetweenOtherLosses(t *testing.T) {
	c := compare.NewClock(time.Second, time.Second)
	for _, end := range []int{100, 300, 2000, 3000} {
		c.Add(1, testStart, timed(end-5, end, txn.Acked, txn.NoFault))
	}
	c.Add(0, testStart, timed(40, 50, txn.Acked, txn.NoFault))
	for _, at := range []int{60, 900, 2500} {
		c.AddProbe(testStart, txn.Probe{Worker: 0, At: time.Duration(at) * ms, Fault: txn.Refused})
	}
	c.Add(0, testStart, timed(2990, 3010, txn.Acked, txn.NoFault))
	got := c.Outages()
	if len(got) != 1 || !got[0].Disconnected {
		t.Errorf("outages %+v, want one with a refused connection in it", got)
	}
}

// A position that is known to survive is heard, whatever else is not known.
func TestLogSurvivesBesideAPositionThatIsNotKnown(t *testing.T) {
	for name, unknown := range map[string]pg.LSN{"before it": fork - 0x100, "past it": fork + 0x100} {
		ev := failover(func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: fork - 0x200, Conn: before, Outcome: txn.Acked})
			ev.capture(id, 1, fork-0x80, ops)
			ev.capture(id, 3, unknown, ops)
			slices.SortFunc(ev.commits[0], func(a, b txn.Commit) int { return int(a.LSN) - int(b.LSN) })
		}, nil)
		ev.facts.Branches = append(ev.facts.Branches, pg.Branch{ID: 3, System: 7, Timeline: 1, Unclear: true})
		_, found := ev.judge(t, testCase())
		want := []string{"capture_mismatch 0/6", "captured_lost 0/6", "hole 0/6", "lost_transaction 0/6", "witness_disagreement 0/6"}
		if d := cmp.Diff(want, namesOf(found)); d != "" {
			t.Errorf("%s (-want +found):\n%s", name, d)
		}
	}
}

// Seqs begin at 1: a marker of another is nobody's, whichever account is missing.
func TestSeqThatNoAccountCanHold(t *testing.T) {
	ev := failover(nil, func(ev *evidence) {
		ev.mark(txn.ID{Run: testRun, Worker: 9, Seq: 0}, 1)
		ev.mark(txn.ID{Run: testRun, Worker: 9, Seq: 1}, 1)
	})
	ev.facts.Drivers = append(ev.facts.Drivers, compare.Driver{ID: 1, Started: testStart})
	res, found := ev.judge(t, testCase())
	if names := namesOf(found); !slices.Equal(names, []string{"alien_row 9/0"}) || res.Unattributed != 1 {
		t.Errorf("found %v, unattributed %d, want one of each", names, res.Unattributed)
	}
}

// The same position with other content is a mismatch; with the same it is a
// delivery that was absorbed.
func TestOnePositionDeliveredTwice(t *testing.T) {
	for name, test := range map[string]struct {
		alter func(c *txn.Commit)
		want  []string
	}{
		"the same":     {func(*txn.Commit) {}, nil},
		"another xid":  {func(c *txn.Commit) { c.Xid++ }, []string{"capture_mismatch 0/3"}},
		"another time": {func(c *txn.Commit) { c.CommittedAt = testStart }, nil},
		"other rows":   {func(c *txn.Commit) { c.SeenSum++ }, []string{"capture_mismatch 0/3"}},
		"fewer rows":   {func(c *txn.Commit) { c.Seen-- }, []string{"capture_mismatch 0/3", "capture_torn 0/3"}},
	} {
		ev := failover(nil, nil)
		again := ev.commits[0][2]
		test.alter(&again)
		ev.commits[0] = slices.Insert(ev.commits[0], 3, again)
		res, found := ev.judge(t, testCase())
		if d := cmp.Diff(test.want, namesOf(found)); d != "" || res.Capture.Duplicates != 1 || res.Capture.Transactions != 20 {
			t.Errorf("%s: %d transactions, %d duplicates (-want +found):\n%s", name, res.Capture.Transactions, res.Capture.Duplicates, d)
		}
	}
}

// What was acked past a fork comes after all that lies before it.
func TestDisorderAcrossAFork(t *testing.T) {
	ev := failover(nil, nil)
	c := &ev.commits[0][7]
	c.Branch, c.LSN, c.End = 1, fork-0x200, fork-0x1C0
	if _, found := ev.judge(t, testCase()); !slices.Equal(namesOf(found), []string{"capture_disorder 0/8"}) {
		t.Errorf("found %v, want the one that came after its own branch was left", namesOf(found))
	}
}

// Where the end of an account is lost, what the attempts with an entry did is
// known all the same: an older version of a row is one, and a row that an attempt
// did not write is not its.
func TestRowsOfEntriesBeforeALostTail(t *testing.T) {
	for name, test := range map[string]struct {
		fits func(life) bool
		seq  func(life) txn.Seq
		want string
	}{
		"older":   {updated, func(l life) txn.Seq { return l.last[len(l.last)-2].Seq }, "stale_row"},
		"foreign": {func(l life) bool { return living(l) && l.end().Seq < 60 }, func(life) txn.Seq { return 60 }, "alien_row"},
	} {
		ev := longRun()
		ev.table(0)
		ev.entries[0] = ev.entries[0][:70]
		ev.facts.Drivers[0].Closed = false
		for i := range ev.facts.Reserves {
			ev.facts.Reserves[i].Closed = false
		}
		l := pick(t, ev.lives(0), test.fits)
		ev.back(0, l, plan.Version{Seq: test.seq(l), Kind: txn.Update})
		if name == "older" {
			ev.back(0, l, l.last[len(l.last)-2])
		}
		_, found := ev.judge(t, testCase())
		if len(found) != 1 || found[0].Class.String() != test.want || found[0].Row != l.id {
			t.Errorf("%s: found %v, want %s of row %d", name, keysOf(found), test.want, l.id)
		}
	}
}

// A row that carries the seq of an attempt which is not settled, and which did not
// touch it, is nobody's whether that was committed or not.
func TestRowOfAnUnsettledAttemptThatDidNotWriteIt(t *testing.T) {
	ev := longRun()
	ev.table(0)
	id, _ := ev.send(0, txn.Entry{Conn: after, Phase: txn.Sent})
	ev.facts.Reserves[0].Used++
	ev.facts.Unresolved = map[txn.ID]string{id: "a backend is left"}
	ev.table(0)[1_000_000] = written(id, 1_000_000, txn.Insert)
	res, found := ev.judge(t, testCase())
	if len(found) != 1 || found[0].Class != compare.AlienRow || res.Verdict != compare.Breached {
		t.Errorf("found %v, verdict %v", keysOf(found), res.Verdict)
	}
}
