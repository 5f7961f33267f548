package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What the stream did not show is counted to the gap that it may lie in, and is
// unexplained elsewhere.
func TestGapsTakeWhatMayLieInThem(t *testing.T) {
	uncaptured := func(ev *evidence) {
		id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: after, Outcome: txn.Acked})
		ev.mark(id, ops)
	}
	for name, test := range map[string]struct {
		gap         txn.Gap
		in, outside int64
	}{
		"in it":       {txn.Gap{Branch: 2, From: fork, To: fork + 0x10000, Reason: "lost slot"}, 1, 0},
		"before it":   {txn.Gap{Branch: 2, From: fork + 0x10000, To: fork + 0x20000}, 1, 0}, // its end is not known
		"after it":    {txn.Gap{Branch: 2, From: fork, To: fork + 0x100}, 0, 1},
		"of no line":  {txn.Gap{Branch: 9, From: 0, To: fork + 0x10000}, 0, 1},
		"on the left": {txn.Gap{Branch: 1, From: 0, To: fork + 0x10000}, 0, 1},
	} {
		ev := failover(nil, uncaptured)
		ev.facts.Capture.Gaps = []txn.Gap{test.gap}
		res, found := ev.judge(t, testCase())
		if len(found) != 1 || res.Capture.Gaps[0].Transactions != test.in || res.Capture.Unexplained != test.outside {
			t.Errorf("%s: in the gap %d, unexplained %d, want %d, %d", name, res.Capture.Gaps[0].Transactions, res.Capture.Unexplained, test.in, test.outside)
		}
	}
	// Of an attempt whose account is lost, nobody knows where it was committed.
	ev := failover(nil, nil)
	id := txn.ID{Run: testRun, Worker: 0, Seq: 11}
	ev.mark(id, 1)
	ev.facts.Drivers[0].Closed = false
	ev.facts.Reserves[0].Closed, ev.facts.Reserves[1].Closed = false, false
	for _, gaps := range [][]txn.Gap{nil, {{Branch: 1, From: 1, To: 2, Reason: "lost slot"}}} {
		ev.facts.Capture.Gaps = gaps
		res, found := ev.judge(t, testCase())
		want := int64(len(gaps))
		if len(found) != 1 || len(gaps) == 1 && res.Capture.Gaps[0].Transactions != 1 || res.Capture.Unexplained != 1-want {
			t.Errorf("%d gaps: found %v, %+v", len(gaps), found, res.Capture)
		}
	}
	ev = failover(uncapturedBefore, nil)
	ev.facts.Capture.Start = pg.Position{Branch: 1, LSN: fork - 0x1000}
	if res, found := ev.judge(t, testCase()); len(found) != 0 || res.Capture.Before != 1 {
		t.Errorf("before capture: found %v, counted %d", namesOf(found), res.Capture.Before)
	}
}

// uncapturedBefore plants an attempt that ended below fork-0x1000.
func uncapturedBefore(ev *evidence) {
	id, ops := ev.send(0, txn.Entry{LSN: fork - 0x9000, Conn: before, Outcome: txn.Acked})
	ev.mark(id, ops)
	ev.clock += 20 * ms
	ev.send(1, txn.Entry{LSN: fork - 0x8000, Conn: before, Outcome: txn.Failed})
}
