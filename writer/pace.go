package writer

import "time"

// pace is the schedule of one worker. With a rate it is an open loop: attempt n
// is due at a time that does not depend on how the attempts before it went, so
// that an outage shows as lateness. Without one it is a closed loop. The zero
// value is a closed loop.
type pace struct {
	// rate is of all workers together, in attempts a second.
	rate          float64
	index, number int
}

// newPace is the schedule of worker index of number; the workers' attempts are
// spread evenly over time.
func newPace(rate float64, index, number int) pace {
	return pace{rate: rate, index: index, number: number}
}

// open tells whether attempts have a time of their own.
func (p pace) open() bool { return p.rate > 0 }

// due is when the worker's attempt n, from 0, is to be sent, counted from the
// start of the load.
func (p pace) due(n int64) time.Duration {
	if !p.open() {
		return 0
	}
	place := float64(n)*float64(p.number) + float64(p.index)
	return time.Duration(place / p.rate * float64(time.Second))
}
