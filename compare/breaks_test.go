package compare_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A class breaks a run where an objective that it counts against is breached,
// and nowhere else.
func TestClassesThatBreak(t *testing.T) {
	plant := func(ev *evidence) {
		ev.lsn = fork
		ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.AckedUnreplicated})
		lsn := ev.next()
		id, ops := ev.send(0, txn.Entry{LSN: lsn, Conn: before, Outcome: txn.Acked})
		ev.capture(id, 1, lsn, ops)
	}
	for _, test := range []struct {
		name                   string
		change                 func(*compare.Case)
		lost, warned, captured bool
	}{
		{"as it is", func(*compare.Case) {}, true, false, false},
		{"strict acks", func(c *compare.Case) { c.Acks = compare.StrictAcks }, true, true, false},
		{"divergence asked", func(c *compare.Case) { c.Limits.Diverged = new(int64) }, true, false, true},
	} {
		c := testCase()
		test.change(&c)
		res, _ := failover(plant, nil).judge(t, c)
		if got := res.Breaks[compare.LostTransaction]; got != test.lost {
			t.Errorf("%s: lost_transaction breaks: %v", test.name, got)
		}
		if got := res.Breaks[compare.LostUnreplicated]; got != test.warned {
			t.Errorf("%s: lost_unreplicated breaks: %v", test.name, got)
		}
		if got := res.Breaks[compare.CapturedLost]; got != test.captured {
			t.Errorf("%s: captured_lost breaks: %v", test.name, got)
		}
	}
}

// Each kind of what belongs to no account, or has none, is among the reasons.
func TestReasonsNameWhatHasNoAccount(t *testing.T) {
	tail := failover(nil, nil)
	tail.facts.Drivers[0].Closed = false
	tail.facts.Reserves[0] = txn.Reserve{Worker: 0, Upto: 1024}
	strange := failover(nil, func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 9, Seq: 1}, 1) })
	strange.facts.Drivers = append(strange.facts.Drivers, compare.Driver{ID: 1, Started: testStart})
	rows := failover(nil, nil)
	rows.table(0)
	rows.facts.TableWorkers = append(rows.facts.TableWorkers, 5)
	rows.tables[5] = map[txn.RowID]txn.Content{1: written(txn.ID{Run: testRun, Worker: 5, Seq: 1}, 1, txn.Insert)}
	rows.facts.Workers = []txn.Worker{0, 1, 5}
	for want, ev := range map[string]*evidence{
		"1014 reserved attempts have no account":              tail,
		"1 transaction on the survivor belongs to no account": strange,
		"1 row on the survivor belongs to no account":         rows,
	} {
		if res, _ := ev.judge(t, testCase()); !strings.Contains(strings.Join(res.Reasons, "\n"), want) {
			t.Errorf("%q does not say %q", res.Reasons, want)
		}
	}
}

// What is there past the used seqs is nobody's while the driver's account may go
// on, though the worker's own was closed.
func TestWorkerClosedAndItsDriverNot(t *testing.T) {
	ev := failover(nil, func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 0, Seq: 500}, 1) })
	ev.facts.Drivers[0].Closed = false
	if res, found := ev.judge(t, testCase()); len(found) != 0 || res.Unattributed != 1 {
		t.Errorf("found %v, unattributed %d", namesOf(found), res.Unattributed)
	}
}

// A limit below what the clock keeps is not proven by having measured nothing.
func TestLimitThatTheClockCannotTell(t *testing.T) {
	limit := 5 * ms
	c := testCase()
	c.Limits.RTOGlobal = &limit
	ev := newEvidence()
	for range 5 {
		ev.keep(0, before)
	}
	res, _ := ev.settle().judge(t, c)
	for _, o := range res.Objectives {
		if o.Name == compare.RTOGlobal && (o.Verdict != compare.Inconclusive || o.Why == "") {
			t.Errorf("%s: %v, %q", o.Name, o.Verdict, o.Why)
		}
	}
}

// The first lost attempt is the one that was acked first, of whatever worker.
func TestFirstAndLastLost(t *testing.T) {
	res, _ := failover(func(ev *evidence) {
		ev.lsn = fork
		for _, w := range []txn.Worker{1, 0, 1} {
			ev.send(w, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
		}
	}, nil).judge(t, testCase())
	if first, last := res.RPO.First, res.RPO.Last; first.Worker != 1 || first.Seq != 6 || last.Worker != 1 || last.Seq != 7 {
		t.Errorf("first lost %v, last lost %v", first.ID, last.ID)
	}
}

// A connection is lost by what a failover does to it, and an outage is longer
// than the threshold.
func TestOutageOfEachFault(t *testing.T) {
	for fault, want := range map[txn.Fault]bool{
		txn.Refused: true, txn.Reset: true, txn.Timeout: true, txn.ReadOnly: true, txn.StartingUp: true, txn.ShuttingDown: true,
		txn.TooManyConnections: false, txn.Miss: false, txn.OtherFault: false,
	} {
		c := compare.NewClock(time.Second, time.Second)
		c.Add(0, testStart, timed(0, 10, txn.Acked, txn.NoFault))
		c.Add(0, testStart, timed(11, 20, txn.InDoubt, fault))
		c.Add(0, testStart, timed(2000, 2010, txn.Acked, txn.NoFault))
		if got := c.Outages(); len(got) != 1 || got[0].Disconnected != want {
			t.Errorf("%v: %+v, want a lost connection: %v", fault, got, want)
		}
	}
	c := compare.NewClock(time.Second, time.Second)
	c.Add(0, testStart, timed(0, 10, txn.Acked, txn.NoFault))
	c.Add(0, testStart, timed(10, 1010, txn.Acked, txn.NoFault))
	if got := c.Outages(); len(got) != 0 {
		t.Errorf("as long as the threshold: %+v", got)
	}
}
