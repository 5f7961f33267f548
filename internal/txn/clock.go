package txn

import "time"

// ClockBound tells how the clock of a driver stands to that of the repo: the
// repo's is ahead of it by Offset, give or take Error. An Error of 0 means that
// it was not measured: no question to another process takes no time.
type ClockBound struct{ Offset, Error time.Duration }

// Measured tells whether anything is known of the clock.
func (b ClockBound) Measured() bool { return b.Error > 0 }

// Cover is the least bound that holds wherever b or o does: what was measured
// at two times, of clocks that drift apart. What was not measured adds nothing.
func (b ClockBound) Cover(o ClockBound) ClockBound {
	switch {
	case !b.Measured():
		return o
	case !o.Measured():
		return b
	}
	least := min(b.Offset-b.Error, o.Offset-o.Error)
	most := max(b.Offset+b.Error, o.Offset+o.Error)
	middle := least + (most-least)/2
	return ClockBound{Offset: middle, Error: most - middle}
}
