package compare

import "testing"

// A measure past the limit breaks an objective; only a measure that is proven to
// be within it, by evidence that is whole, meets one.
func TestWeigh(t *testing.T) {
	limit := 5.0
	for _, test := range []struct {
		name string
		m    measure
		e    evidence
		want Verdict
	}{
		{"within", measure{low: 3, high: 5, bounded: true}, evidenceWhole, Met},
		{"at the limit", exactly(5), evidenceWhole, Met},
		{"past it", exactly(6), evidenceWhole, Breached},
		{"past it, and the evidence is torn", exactly(6), evidenceTorn, Breached},
		{"within, and the evidence is torn", exactly(3), evidenceTorn, Inconclusive},
		{"its least is within, its most is not", measure{low: 3, high: 6, bounded: true}, evidenceWhole, Inconclusive},
		{"it has no upper bound", measure{low: 3}, evidenceWhole, Inconclusive},
		{"nothing was measured", measure{bounded: true, silent: true}, evidenceWhole, Inconclusive},
		{"nothing was measured past it", measure{low: 6, high: 6, bounded: true, silent: true}, evidenceWhole, Inconclusive},
		{"within, and that does not prove it", measure{low: 3, high: 3, bounded: true, unproven: "why"}, evidenceWhole, Inconclusive},
		{"past it, and that does not disprove it", measure{low: 6, high: 6, bounded: true, void: "why"}, evidenceWhole, Inconclusive},
	} {
		if got := weigh("x", &limit, test.m, test.e); got.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.name, got.Verdict, test.want)
		}
	}
}
