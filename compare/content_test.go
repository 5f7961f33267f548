package compare_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Each fault of the stream alone, and all together, are found for what they are
// and break the promise of the stream.
func TestStreamFaults(t *testing.T) {
	faults := map[string]struct {
		plant func(ev *evidence)
		want  string
	}{
		"fewer changes": {func(ev *evidence) { c := &ev.commits[0][1]; c.Seen, c.SeenSum = c.Ops-1, 9 }, "capture_torn 0/2"},
		"more changes":  {func(ev *evidence) { ev.commits[0][2].Seen++ }, "capture_mismatch 0/3"},
		"other changes": {func(ev *evidence) { ev.commits[1][3].SeenSum = 77 }, "capture_mismatch 1/4"},
		"another marker": {func(ev *evidence) {
			c := &ev.commits[1][4]
			c.Sum, c.SeenSum = 5, 5
		}, "capture_mismatch 1/5"},
		"out of order": {func(ev *evidence) {
			a, b := &ev.commits[0][6], &ev.commits[0][7]
			a.LSN, b.LSN, a.End, b.End = b.LSN, a.LSN, b.End, a.End
		}, "capture_disorder 0/8"},
		"two positions": {func(ev *evidence) {
			again := ev.commits[1][9]
			again.LSN, again.End = again.LSN+0x40, again.End+0x40
			ev.commits[1] = append(ev.commits[1], again)
		}, "capture_mismatch 1/10"},
	}
	c := testCase()
	c.Limits.CDC = new(int64)
	var together []string
	all := failover(nil, nil)
	for name, fault := range faults {
		ev := failover(nil, nil)
		fault.plant(ev)
		fault.plant(all)
		together = append(together, fault.want)
		res, found := ev.judge(t, c)
		if d := cmp.Diff([]string{fault.want}, namesOf(found)); d != "" {
			t.Errorf("%s (-want +found):\n%s", name, d)
		}
		if res.Verdict != compare.Breached || !res.Breaks[found[0].Class] {
			t.Errorf("%s: verdict %v: %q", name, res.Verdict, res.Reasons)
		}
	}
	_, found := all.judge(t, c)
	slices.Sort(together)
	if d := cmp.Diff(together, namesOf(found)); d != "" {
		t.Errorf("all together (-want +found):\n%s", d)
	}
}

// An attempt that was not acked may have been committed before the one sent
// before it: only an ack orders them.
func TestDoubtOrdersNothing(t *testing.T) {
	ev := failover(func(ev *evidence) {
		id, ops := ev.send(0, txn.Entry{Conn: before, Phase: txn.Sent})
		ev.mark(id, ops)
		ev.capture(id, 1, fork-0x40, ops)
		ev.keep(0, before)
	}, nil)
	if _, found := ev.judge(t, testCase()); len(found) != 0 {
		t.Errorf("found %v", namesOf(found))
	}
}

// Where a branch left another is not known: what capture read again from the
// start is the same record on both, and survives on the survivor's.
func TestReadAgainPastAnUnknownFork(t *testing.T) {
	ev := failover(nil, nil)
	ev.facts.Branches[1].Unclear = true
	n := int64(0)
	for w := range ev.commits {
		for _, c := range ev.commits[w] {
			if c.Branch == 1 {
				c.Branch = 2
				ev.commits[w] = append(ev.commits[w], c)
				n++
			}
		}
		slices.SortStableFunc(ev.commits[w], func(a, b txn.Commit) int { return int(a.Seq - b.Seq) })
	}
	res, found := ev.judge(t, testCase())
	if len(found) != 0 || res.Capture.Duplicates != n || n == 0 {
		t.Errorf("found %v, %d duplicates, want %d", namesOf(found), res.Capture.Duplicates, n)
	}
	if res.Witnesses.Log.Survives != res.Attempts.Acked || res.Capture.Transactions != res.Attempts.Acked {
		t.Errorf("the log says of %d that they survive, of %d captured, of %d acked", res.Witnesses.Log.Survives, res.Capture.Transactions, res.Attempts.Acked)
	}
}
