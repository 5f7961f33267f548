package compare

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// certainty says how sure it is that one moment came after another. Its zero
// value says that nothing tells so.
type certainty uint8

const (
	notAfter certainty = iota
	// maybeAfter is what the clocks say, within their errors or with errors
	// that are not known.
	maybeAfter
	surelyAfter
)

// clocks are how the clock of one driver stands to that of another: shift turns
// a time of the one into a time of the other, give or take slack, and best is
// the most that the two can prove.
type clocks struct {
	shift, slack time.Duration
	best         certainty
}

// clocks sets a driver's clock against another's. The times of one driver are
// all of one monotonic clock. Where not both clocks were measured, the word of
// their hosts stands in, and proves nothing.
func (j *judge) clocks(from, to txn.Driver) clocks {
	if from == to {
		return clocks{best: surelyAfter}
	}
	a, b := j.drivers[from], j.drivers[to]
	if a.Started.IsZero() || b.Started.IsZero() {
		return clocks{}
	}
	c := clocks{shift: a.Started.Sub(b.Started), best: maybeAfter}
	if a.Clock.Measured() && b.Clock.Measured() {
		c.shift += a.Clock.Offset - b.Clock.Offset
		c.slack, c.best = a.Clock.Error+b.Clock.Error, surelyAfter
	}
	return c
}

// order tells whether what the one driver sent was sent after what the other
// received, whose clock is shifted.
func (c clocks) order(sent, received time.Duration) certainty {
	switch received += c.shift; {
	case sent > received+c.slack:
		return c.best
	case sent > received:
		return min(c.best, maybeAfter)
	default:
		return notAfter
	}
}
