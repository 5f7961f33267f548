package compare_test

import (
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// zero is when a driver began, by the clock of the run's first driver where that
// is known, and by its host's word elsewhere.
func (o *oracle) zero(d compare.Driver) time.Time {
	if len(o.facts.Drivers) == 0 {
		return d.Started
	}
	if first := o.facts.Drivers[0]; first.Clock.Measured() && d.Clock.Measured() && first.ID != d.ID {
		return d.Started.Add(d.Clock.Offset - first.Clock.Offset)
	}
	return d.Started
}

// clocks tells whether the times of all drivers can be set against each other, and
// by how much one that they share may be other than it looks.
func (o *oracle) clocks() (slack time.Duration, told bool) {
	if len(o.facts.Drivers) < 2 {
		return 0, true
	}
	told = true
	for _, d := range o.facts.Drivers {
		told = told && d.Clock.Measured()
		slack = max(slack, d.Clock.Error+d.Clock.Error)
	}
	return slack, told
}

// span is the greatest time, over the branches, from the first lost ack to the
// last ack before the outage. Of lost acks whose branch is not known, only the
// outage after them bounds it, and from above; without one nothing does.
func (o *oracle) span() (low, high time.Duration, bounded bool) {
	bounded = true
	for _, b := range o.lostBranches() {
		var lost, acked []time.Time
		for _, d := range o.all {
			if branch, _ := o.from(d); branch == b && d.acked() {
				acked = append(acked, d.ended)
				if d.lost() && o.promised(d) {
					lost = append(lost, d.ended)
				}
			}
		}
		first, end := slices.MinFunc(lost, time.Time.Compare), slices.MaxFunc(lost, time.Time.Compare)
		at := slices.IndexFunc(o.res.RTO.Outages, func(u compare.Outage) bool { return !u.From.Before(end) })
		switch {
		case b != 0:
			end = slices.MaxFunc(acked, time.Time.Compare)
			if at >= 0 {
				end = minTime(end, o.res.RTO.Outages[at].From)
			}
			low = max(low, end.Sub(first))
		case at >= 0:
			end = o.res.RTO.Outages[at].From
		default:
			bounded = false
		}
		high = max(high, end.Sub(first))
	}
	return low, high, bounded
}

// lostBranches are those on which something was acked that was lost, 0 for those
// that are not known.
func (o *oracle) lostBranches() []pg.BranchID {
	var all []pg.BranchID
	for _, d := range o.all {
		if b, _ := o.from(d); d.lost() && o.promised(d) && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}
