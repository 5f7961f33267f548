package plant

import (
	"slices"

	"github.com/pgrpo/pgrpo/compare"
)

// Reach is how much of a run a planter touches.
type Reach uint8

// The reaches, in the order in which they are planted: what alters an account
// says of what later planters can be found.
const (
	// Whole is what is said of the run as a whole: it may hide much.
	Whole Reach = iota
	// Account is what one process told of itself.
	Account
	// Local is one or a few attempts or rows.
	Local
)

// Planter plants one kind of fault.
type Planter struct {
	// Name says what it does, in a few words.
	Name string
	// Classes are found for certain where nothing else is planted; a planter
	// without any makes doubt, or nothing at all.
	Classes []compare.Class
	Reach   Reach
	plant   func(*Plot) bool
}

// Planters lists all of them.
func Planters() []*Planter {
	return slices.Concat(markerPlanters(), rowPlanters(), alienPlanters(), streamPlanters(),
		ledgerPlanters(), accountPlanters(), historyPlanters())
}

// Custom is a planter of another package, of what one process told of itself. It
// may alter a plot by its exported methods alone, and leaves it as it was where
// it says false.
func Custom(name string, plant func(*Plot) bool) *Planter {
	return &Planter{Name: name, Reach: Account, plant: plant}
}

// Plant plants in the plot; false where the run has no place for it. It then
// leaves the plot as it was.
func (pl *Planter) Plant(p *Plot) bool {
	if !pl.plant(p) {
		return false
	}
	p.planted = append(p.planted, pl)
	return true
}

// Alone plants nothing else.
func (b *Base) Alone(pl *Planter, seed uint64) (*Plot, bool) {
	p := b.Plot(seed)
	p.shape()
	return p, pl.Plant(p)
}

// Mixture plants up to most faults together, drawn from those given. What is
// said of the run as a whole is drawn seldom: it hides others.
func (b *Base) Mixture(from []*Planter, most int, seed uint64) *Plot {
	p := b.Plot(seed)
	p.shape()
	var chosen []*Planter
	for range 1 + p.chance.IntN(most) {
		pl := from[p.chance.IntN(len(from))]
		if pl.Reach == Local || p.chance.IntN(4) == 0 {
			chosen = append(chosen, pl)
		}
	}
	slices.SortStableFunc(chosen, func(a, b *Planter) int { return int(a.Reach) - int(b.Reach) })
	for _, pl := range chosen {
		pl.Plant(p)
	}
	return p
}

// shape draws what is asked of the run: how far its rows are read, which acks
// are promises, and which limits are set.
func (p *Plot) shape() {
	if p.chance.IntN(2) == 0 {
		p.Case.Payload = compare.PayloadFull
	}
	if p.chance.IntN(4) == 0 {
		p.Case.Acks = compare.StrictAcks
	}
	if p.chance.IntN(4) == 0 {
		p.Case.Limits.CDC = new(int64)
	}
	if p.chance.IntN(4) == 0 {
		p.Case.Limits.Diverged = new(int64)
	}
}
