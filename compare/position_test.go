package compare_test

import (
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Where capture began excuses what ended before it on its own branch, and nothing
// on another, whatever the numbers.
func TestStartOfCaptureIsOnItsBranch(t *testing.T) {
	ev := failover(nil, func(ev *evidence) {
		id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: after, Outcome: txn.Acked})
		ev.mark(id, ops)
		ev.clock += 20 * ms
		ev.send(1, txn.Entry{LSN: ev.next(), Conn: after, Outcome: txn.Failed})
	})
	ev.facts.Capture.Start = pg.Position{Branch: 1, LSN: fork + 0x100000}
	if res, found := ev.judge(t, testCase()); len(found) != 1 || res.Capture.Before != 0 {
		t.Errorf("found %v, before capture %d", namesOf(found), res.Capture.Before)
	}
}

// A gap does not explain what ended before it began.
func TestGapAfterWhatIsMissing(t *testing.T) {
	ev := failover(uncapturedBefore, nil)
	ev.facts.Capture.Gaps = []txn.Gap{{Branch: 1, From: fork - 0x7000, To: fork}}
	if res, _ := ev.judge(t, testCase()); res.Capture.Gaps[0].Transactions != 0 || res.Capture.Unexplained != 1 {
		t.Errorf("in the gap %d, unexplained %d", res.Capture.Gaps[0].Transactions, res.Capture.Unexplained)
	}
}

// Two positions of one attempt are a mismatch if both may survive. They are one
// record only where all but the branch is the same, and the forks are not known.
func TestTwoPositionsOrOne(t *testing.T) {
	for _, test := range []struct {
		name    string
		outcome txn.Outcome
		unclear bool
		second  func(*txn.Commit)
		want    int64
	}{
		{"in doubt, one survives and one is not known", txn.InDoubt, false, func(c *txn.Commit) { c.Branch, c.LSN = 9, c.LSN+0x20 }, 1},
		{"on two branches of one line", txn.Acked, false, func(c *txn.Commit) { c.Branch = 2 }, 1},
		{"on two branches, the fork is not known", txn.Acked, true, func(c *txn.Commit) { c.Branch = 2 }, 0},
		{"another transaction, the fork is not known", txn.Acked, true, func(c *txn.Commit) { c.Branch, c.Xid = 2, c.Xid+1 }, 1},
	} {
		ev := failover(func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: fork - 0x90, Conn: before, Outcome: test.outcome})
			ev.mark(id, ops)
			ev.capture(id, 1, fork-0x80, ops)
			ev.capture(id, 1, fork-0x80, ops)
			all := ev.commits[0]
			test.second(&all[len(all)-1])
		}, nil)
		ev.facts.Branches[1].Unclear = test.unclear
		if res, _ := ev.judge(t, testCase()); res.Counts[compare.CaptureMismatch] != test.want {
			t.Errorf("%s: %d mismatches, want %d", test.name, res.Counts[compare.CaptureMismatch], test.want)
		}
	}
}

// An attempt in doubt that turned out committed may have been committed long after
// others were told where the log ended: nothing bounds it from above, so that it is
// not known to lie before the stream began.
func TestDoubtIsNotBoundedFromAbove(t *testing.T) {
	ev := failover(func(ev *evidence) {
		id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Phase: txn.Sent})
		ev.mark(id, ops)
		ev.clock += 50 * ms
		ev.keep(0, before)
	}, nil)
	ev.facts.Capture.Start = pg.Position{Branch: 1, LSN: fork}
	if _, found := ev.judge(t, testCase()); !slices.Equal(namesOf(found), []string{"capture_gap 0/6"}) {
		t.Errorf("found %v, want the one that never came", namesOf(found))
	}
}
