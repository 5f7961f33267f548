package plant_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
)

// What became of the slot decides the promise of the stream, and a judge that does
// not ask for it is found out.
func TestSlot(t *testing.T) {
	b := bases(t, 1)["clean"]
	blind := func(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
		f.Slot.Fate = compare.SlotKept
		return compare.Judge(c, f, s, emit)
	}
	for fate, want := range map[compare.SlotFate]compare.Verdict{
		compare.SlotKept: compare.Met, compare.SlotBroken: compare.Breached, compare.SlotUnproven: compare.Inconclusive,
	} {
		pl := plant.Custom("slot", func(p *plant.Plot) bool { return p.Slot(compare.SlotFacts{Fate: fate}) && !p.Slot(compare.SlotFacts{}) })
		p, ok := b.Alone(pl, 1)
		if !ok {
			t.Fatal("not planted")
		}
		for _, c := range []struct {
			judge plant.Judge
			fine  bool
		}{{compare.Judge, true}, {blind, fate == compare.SlotKept}} {
			o, err := p.Try(c.judge)
			if err != nil || o.Verdict != want || (len(o.Wrong) == 0) != c.fine {
				t.Errorf("fate %d: the verdict had to be %v, wrong %q, %v; want %v", fate, o.Verdict, o.Wrong, err, want)
			}
		}
	}
}
