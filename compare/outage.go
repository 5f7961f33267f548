package compare

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Outage is a time in which no worker was acked, though the service was asked:
// from the last ack before to the first ack after.
type Outage struct {
	From, To time.Time
	// Open says that no ack came after it; To is then the end of the last
	// entry or probe.
	Open bool
	// Disconnected says that a connection was lost or refused in it.
	Disconnected bool
}

// Duration is the length of the outage, so far if it is open.
func (o Outage) Duration() time.Duration { return o.To.Sub(o.From) }

// Outages gives all outages so far, longer than the threshold, in their order.
// The service must have been asked for longer than the threshold: a pause of
// the load is no outage. What comes before the first ack of all is none.
func (c *Clock) Outages() []Outage { return c.outages(c.threshold) }

// Longest gives the longest time without any ack, or zero where each was
// shorter than the clock measures.
func (c *Clock) Longest() time.Duration {
	var longest time.Duration
	for _, o := range c.outages(c.keep - 1) {
		longest = max(longest, o.Duration())
	}
	return longest
}

// Unasked gives the longest time between two acks in which nothing was asked of
// the service for as long as the clock measures: what it would have answered is
// not known. It is zero where each was shorter than that.
func (c *Clock) Unasked() time.Duration { return c.unasked(c.shared()) }

// WorkerUnasked gives the longest such time of any one worker.
func (c *Clock) WorkerUnasked() time.Duration {
	var longest time.Duration
	for _, wc := range c.workers {
		longest = max(longest, c.unasked(wc.done))
	}
	return longest
}

func (c *Clock) unasked(all []stretch) time.Duration {
	longest := int64(0)
	for _, s := range all {
		if s.from != math.MinInt64 && s.to != math.MaxInt64 && !c.asked(s, c.keep-1) {
			longest = max(longest, s.to-s.from)
		}
	}
	return time.Duration(longest)
}

// WorkerLongest gives the longest time for which any one worker was not acked
// though it asked. The time of a worker that was never acked counts from its
// first attempt or probe.
func (c *Clock) WorkerLongest() time.Duration {
	var longest time.Duration
	for w := range c.workers {
		longest = max(longest, c.workerWorst(w, math.MinInt64, math.MaxInt64))
	}
	return longest
}

// Workers gives, ascending, how long each worker was without an ack around the
// given outage; a nil outage means the longest time of each.
func (c *Clock) Workers(o *Outage) []time.Duration {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if o != nil {
		from, to = o.From.UnixNano(), o.To.UnixNano()
	}
	each := make([]time.Duration, 0, len(c.workers))
	for w := range c.workers {
		each = append(each, c.workerWorst(w, from, to))
	}
	slices.Sort(each)
	return each
}

// workerWorst is the longest stretch of a worker that overlaps a time.
func (c *Clock) workerWorst(w txn.Worker, from, to int64) time.Duration {
	var worst int64
	for _, s := range c.workers[w].all() {
		if s.from >= to || s.to <= from {
			continue
		}
		if length := c.length(&s); c.asked(s, c.keep-1) {
			worst = max(worst, length)
		}
	}
	return time.Duration(worst)
}

// length is how long a stretch lasted; it closes the open ends.
func (c *Clock) length(s *stretch) int64 {
	if s.from == math.MinInt64 {
		s.from = s.demand
	}
	if s.to == math.MaxInt64 {
		s.to = max(c.last, s.from)
	}
	return s.to - s.from
}

// asked tells whether the service was asked for longer than a time.
func (c *Clock) asked(s stretch, least int64) bool {
	return s.demand < s.to && min(s.to, c.last)-s.demand > least
}

// outages intersects the stretches of all workers.
func (c *Clock) outages(longer int64) []Outage {
	shared := c.shared()
	var found []Outage
	for _, s := range shared {
		if s.from == math.MinInt64 {
			continue
		}
		open := s.to == math.MaxInt64
		if c.length(&s) <= longer || !c.asked(s, longer) {
			continue
		}
		found = append(found, Outage{
			From: time.Unix(0, s.from), To: time.Unix(0, s.to),
			Open: open, Disconnected: len(s.losses) > 0,
		})
	}
	return found
}

// shared gives the stretches in which no worker was acked, with the demand and
// the losses of all of them.
func (c *Clock) shared() []stretch {
	if len(c.workers) == 0 {
		return nil
	}
	shared := []stretch{openStretch(math.MinInt64)}
	for _, wc := range c.workers {
		shared = c.intersect(shared, wc.all())
	}
	slices.SortFunc(shared, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	return shared
}

func (c *Clock) intersect(a, b []stretch) []stretch {
	var both []stretch
	for i, k := 0, 0; i < len(a) && k < len(b); {
		from, to := max(a[i].from, b[k].from), min(a[i].to, b[k].to)
		if from == math.MinInt64 || to == math.MaxInt64 || to-from >= c.keep {
			part, other := a[i].within(from, to), b[k].within(from, to)
			part.demand = min(part.demand, other.demand)
			part.losses = append(part.losses, other.losses...)
			both = append(both, part)
		}
		if a[i].to <= b[k].to {
			i++
		} else {
			k++
		}
	}
	return both
}
