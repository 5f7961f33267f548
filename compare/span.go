package compare

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// lostSpan is from the first to the last ack of one branch that was lost.
type lostSpan struct{ first, last time.Time }

// spanMeasure is how long the lost acks of one fork took, at the most of all
// forks: at least low, and at most high unless open says why that is not known.
type spanMeasure struct {
	low, high time.Duration
	open      string
}

// lostAt adds a lost ack to those of its branch.
func (j *judge) lostAt(s *sight) {
	at := s.sharedAt
	l := j.spans[s.branch]
	if l == nil {
		l = &lostSpan{at, at}
		j.spans[s.branch] = l
	}
	if at.Before(l.first) {
		l.first = at
	}
	if at.After(l.last) {
		l.last = at
	}
}

// measureSpan finds the greatest time from a first lost ack to the last ack before
// the outage. Where the branch of lost acks is not known they may be of several
// forks, and of what was acked after them only an outage tells that it was another
// server: that bounds the time from above alone.
func (j *judge) measureSpan() {
	outages, m := j.clock.Outages(), &j.span
	for branch, lost := range j.spans {
		end, outage := j.lastAckBefore(branch, lost.last, outages)
		took := end.Sub(lost.first)
		m.high = max(m.high, took)
		switch {
		case branch != 0:
			m.low = max(m.low, took)
		case !outage:
			m.open = "on which branch some of the lost transactions were acknowledged is not known"
		}
	}
	j.res.RPO.Span = m.high
}

// lastAckBefore is the last ack on a branch, or the one before the first outage
// that began at or after the last lost ack, whichever is earlier. On a branch that
// is not known it is the latter alone. The second result tells whether there was
// such an outage.
func (j *judge) lastAckBefore(branch pg.BranchID, lost time.Time, outages []Outage) (end time.Time, outage bool) {
	end = lost
	if last := j.lastAck[branch]; last.After(end) && branch != 0 {
		end = last
	}
	for _, o := range outages {
		if o.From.Before(lost) {
			continue
		}
		if branch == 0 || o.From.Before(end) {
			end = o.From
		}
		return end, true
	}
	return end, false
}
