package compare_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What truly happened is what is found, and nothing else.
func TestJudgeFindsWhatTrulyHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		w := drawWorld(t, c)
		_, found := agree(t, c, w.evidence())
		var lost, want []txn.ID
		kept := w.survivors()
		for _, k := range w.workers {
			for i, e := range k.entries {
				if id := (txn.ID{Run: c.Run, Worker: k.id, Seq: txn.Seq(i + 1)}); e.Outcome.IsAck() && !kept[id] {
					want = append(want, id)
				}
			}
		}
		for _, f := range found {
			switch f.Class {
			case compare.LostTransaction, compare.LostUnreplicated:
				lost = append(lost, f.ID)
			case compare.CapturedLost:
				if kept[f.ID] {
					t.Errorf("%v is on the survivor", f.ID)
				}
			case compare.CaptureGap:
				if slices.ContainsFunc(w.capture.stored, func(c txn.Commit) bool { return c.ID == f.ID }) {
					t.Errorf("%v was captured", f.ID)
				}
			case compare.SplitBrain:
				// Which of two went on too long is not always told.
				if !w.split {
					t.Errorf("%v of %v, and there was never more than one primary", f.Class, f.ID)
				}
			default:
				t.Errorf("found %v of %v", f.Class, f.ID)
			}
		}
		if d := cmp.Diff(want, lost); d != "" {
			t.Errorf("lost (-truth +judge):\n%s", d)
		}
	})
}

// A run of which nothing is lost and all is known is met, and nothing is found.
func TestQuietRunIsMet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		c.Expect, c.Limits = compare.ExpectFault, compare.Limits{}
		w := drawQuietWorld(t, c)
		res, found := agree(t, c, w.evidence())
		for _, f := range found {
			if f.Class != compare.CaptureGap || len(w.capture.gaps) == 0 {
				t.Errorf("found %v of %v", f.Class, f.ID)
			}
		}
		if res.Verdict != compare.Met && res.Attempts.InDoubt.Unresolved == 0 {
			t.Errorf("verdict %v: %q", res.Verdict, res.Reasons)
		}
	})
}
