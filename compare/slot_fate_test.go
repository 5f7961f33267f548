package compare_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// The stream's promise needs the slot: what is not known of it proves nothing, and
// a slot that broke disproves it, whether or not the stream came to its end.
func TestSlotFate(t *testing.T) {
	for _, tc := range []struct {
		name string
		harm func(*compare.Facts)
		want compare.Verdict
		says string
	}{
		{"not looked at", func(f *compare.Facts) { f.Slot.Why = "no right" }, compare.Inconclusive, "cdc: the slots were not checked: no right"},
		{"kept", func(f *compare.Facts) { f.Slot.Fate = compare.SlotKept }, compare.Met, ""},
		{"kept, and the stream was not followed", func(f *compare.Facts) { f.Slot.Fate, f.Capture.Complete = compare.SlotKept, false },
			compare.Inconclusive, "cdc: the stream was not followed to its end"},
		{"broken", func(f *compare.Facts) { f.Slot = compare.SlotFacts{Fate: compare.SlotBroken, Why: "it is gone"} },
			compare.Breached, "the slot did not survive: it is gone"},
		{"broken, and the stream was not followed", func(f *compare.Facts) {
			f.Slot, f.Capture.Complete = compare.SlotFacts{Fate: compare.SlotBroken, Why: "it is gone"}, false
		}, compare.Breached, "the slot did not survive: it is gone"},
		{"broken, and no survivor is proven", func(f *compare.Facts) { f.Slot.Fate, f.Survivor = compare.SlotBroken, compare.Survivor{} },
			compare.Inconclusive, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ev := newEvidence()
			c := compare.Case{Run: testRun, Mix: testMix, Limits: compare.Limits{CDC: new(int64)}}
			tc.harm(&ev.facts)
			res, err := compare.Judge(c, ev.facts, ev, nil)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(res.Objectives, func(o compare.Objective) bool { return o.Name == compare.CDC })
			o := res.Objectives[at]
			// Nothing was sent: the run as a whole proves nothing, and no objective is met.
			want := tc.want
			if want == compare.Met {
				want = compare.Inconclusive
				if o.Why != "" {
					t.Errorf("the objective is not proven: %s", o.Why)
				}
			}
			if o.Verdict != want || !strings.Contains(strings.Join(res.Reasons, "\n"), tc.says) {
				t.Errorf("%v, %q; want %v, %q", o.Verdict, res.Reasons, want, tc.says)
			}
		})
	}
}
