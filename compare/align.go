package compare

import (
	"time"
)

// alignment sets the clocks of all drivers against that of the first.
type alignment struct {
	first Driver
	// slack is by how much a time that the drivers share may be longer or
	// shorter than it looks: 0 with one driver.
	slack time.Duration
	// why says why nothing is known of such a time; empty where it is.
	why string
}

// align measures the drivers' clocks against each other. Each end of a time that
// all share is known give or take the greatest error of a clock.
func align(drivers []Driver) alignment {
	var a alignment
	for i, d := range drivers {
		if i == 0 {
			a.first = d
		}
		if len(drivers) > 1 && !d.Clock.Measured() {
			a.why = "the clocks of the drivers were not set against each other"
		}
		if len(drivers) > 1 {
			a.slack = max(a.slack, 2*d.Clock.Error)
		}
	}
	return a
}

// zero is when a driver's clock began, by the clock of the first driver. Where
// not both were measured, the word of their hosts stands in.
func (a alignment) zero(d Driver) time.Time {
	if d.ID == a.first.ID || !d.Clock.Measured() || !a.first.Clock.Measured() {
		return d.Started
	}
	return d.Started.Add(d.Clock.Offset - a.first.Clock.Offset)
}

// shared is when something happened on a driver's clock, by that of the first.
func (a alignment) shared(d Driver, at time.Duration) time.Time { return a.zero(d).Add(at) }
