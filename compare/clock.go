package compare

import (
	"math"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// finestStretch is the shortest stretch without an ack that a clock keeps.
const finestStretch = 10 * time.Millisecond

// Clock finds the outages of a run: it is fed with entries and probes, by any
// number of workers, and keeps of each worker only the stretches without an
// ack. What no worker was acked in is what all workers' stretches share.
//
// The entries of one worker come in their order; workers may come in any order.
// A worker's probes may come at any time after the entries before them. A
// Clock belongs to one goroutine.
type Clock struct {
	threshold int64
	keep      int64
	workers   map[txn.Worker]*workerClock
	last      int64 // the end of the latest entry or probe
	errors    Errors
}

// NewClock makes a clock that calls a stretch longer than threshold an outage,
// and measures stretches from the length finest on; finest is at least 10 ms
// and at most the threshold.
func NewClock(threshold, finest time.Duration) *Clock {
	keep := max(min(threshold, finest), finestStretch)
	return &Clock{
		threshold: int64(threshold), keep: int64(keep),
		workers: make(map[txn.Worker]*workerClock), last: math.MinInt64,
	}
}

// Errors counts the faults of entries and probes by kind. A miss is the
// answer of a server that works, and is counted nowhere.
type Errors struct {
	Refused, Reset, Timeout, ReadOnly, StartingUp, ShuttingDown, TooManyConnections, Other int64
}

func (e *Errors) count(f txn.Fault) {
	switch f {
	case txn.NoFault, txn.Miss:
	case txn.Refused:
		e.Refused++
	case txn.Reset:
		e.Reset++
	case txn.Timeout:
		e.Timeout++
	case txn.ReadOnly:
		e.ReadOnly++
	case txn.StartingUp:
		e.StartingUp++
	case txn.ShuttingDown:
		e.ShuttingDown++
	case txn.TooManyConnections:
		e.TooManyConnections++
	default:
		e.Other++
	}
}

// disconnects tells whether the fault is a lost or a refused connection, as a
// failover makes them. A client's deadline ends its session too.
func disconnects(f txn.Fault) bool {
	switch f {
	case txn.Refused, txn.Reset, txn.Timeout, txn.ReadOnly, txn.StartingUp, txn.ShuttingDown:
		return true
	default:
		return false
	}
}

// stretch is a time without an ack, in nanoseconds since 1970: from one ack to
// the next. A stretch before the first ack begins at the least int64, one
// after the last ends at the greatest.
type stretch struct {
	from, to int64
	// demand is when something was first asked of the service in it.
	demand int64
	// losses are when connections were lost or refused in it, ascending.
	losses []losses
}

// losses are times at which connections were lost or refused, each less than what
// a clock keeps after the one before: no stretch that is kept lies between two of
// them.
type losses struct{ first, last int64 }

func openStretch(from int64) stretch {
	return stretch{from: from, to: math.MaxInt64, demand: math.MaxInt64}
}

func (s *stretch) ask(at int64) { s.demand = min(s.demand, max(at, s.from)) }

// lose adds a loss to those that are less than keep away.
func (s *stretch) lose(at, keep int64) {
	i := len(s.losses)
	for i > 0 && s.losses[i-1].first > at {
		i--
	}
	if i > 0 && at-s.losses[i-1].last < keep {
		i--
		s.losses[i].last = max(s.losses[i].last, at)
	} else {
		s.losses = slices.Insert(s.losses, i, losses{at, at})
	}
	if next := i + 1; next < len(s.losses) && s.losses[next].first-s.losses[i].last < keep {
		s.losses[i].last = max(s.losses[i].last, s.losses[next].last)
		s.losses = slices.Delete(s.losses, next, next+1)
	}
}

// within is the part of s between two times.
func (s stretch) within(from, to int64) stretch {
	part := openStretch(max(s.from, from))
	part.to = min(s.to, to)
	if s.demand < part.to {
		part.ask(s.demand)
	}
	for _, l := range s.losses {
		if l.first <= part.to && part.from <= l.last {
			part.losses = append(part.losses, l)
		}
	}
	return part
}

type workerClock struct {
	done []stretch // ended, ascending, each at least as long as what is kept
	tail stretch   // from the last ack on
}

func (c *Clock) worker(w txn.Worker) *workerClock {
	wc := c.workers[w]
	if wc == nil {
		wc = &workerClock{tail: openStretch(math.MinInt64)}
		c.workers[w] = wc
	}
	return wc
}

// Add takes the next entry of a worker, whose driver's clock is zero at the
// given time.
func (c *Clock) Add(w txn.Worker, zero time.Time, e txn.Entry) {
	wc := c.worker(w)
	sent := zero.UnixNano() + int64(e.Sent)
	end := zero.UnixNano() + int64(e.End())
	c.last = max(c.last, end)
	c.errors.count(e.Fault)
	wc.tail.ask(sent)
	if disconnects(e.Fault) {
		wc.tail.lose(end, c.keep)
	}
	if !e.Outcome.IsAck() {
		return
	}
	wc.tail.to = end
	if wc.tail.from == math.MinInt64 || wc.tail.to-wc.tail.from >= c.keep {
		wc.done = append(wc.done, wc.tail)
	}
	wc.tail = openStretch(end)
}

// AddProbe takes a probe of a driver whose clock is zero at the given time.
func (c *Clock) AddProbe(zero time.Time, p txn.Probe) {
	wc := c.worker(p.Worker)
	at := zero.UnixNano() + int64(p.At)
	end := at + int64(p.Took)
	c.last = max(c.last, end)
	c.errors.count(p.Fault)
	s := wc.at(at)
	if s == nil {
		return
	}
	s.ask(at)
	if disconnects(p.Fault) {
		s.lose(min(end, s.to), c.keep)
	}
}

// at finds the kept stretch that holds a time, or nil.
func (wc *workerClock) at(t int64) *stretch {
	if t >= wc.tail.from {
		return &wc.tail
	}
	i, found := slices.BinarySearchFunc(wc.done, t, func(s stretch, t int64) int {
		switch {
		case s.to < t:
			return -1
		case s.from > t:
			return 1
		default:
			return 0
		}
	})
	if !found {
		return nil
	}
	return &wc.done[i]
}

// all gives the worker's stretches in their order.
func (wc *workerClock) all() []stretch { return append(slices.Clone(wc.done), wc.tail) }

// Errors counts what was fed so far.
func (c *Clock) Errors() Errors { return c.errors }
