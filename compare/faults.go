package compare

import (
	"cmp"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// faultsSeen counts the faults that the writers' side shows: each connection
// that met a server process or a branch not met before, but the first; or the
// outages in which connections were lost or refused, if those are more. A
// failover that gives a new process and a new branch is one, also where the
// survivor alone shows it.
func (j *judge) faultsSeen(outages []Outage) int {
	type contact struct {
		txn.Connection
		driver txn.Driver
	}
	var contacts []contact
	for _, d := range j.facts.Drivers {
		for _, c := range d.Connections {
			contacts = append(contacts, contact{c, d.ID})
		}
	}
	slices.SortStableFunc(contacts, func(a, b contact) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.driver, b.driver), cmp.Compare(a.Number, b.Number))
	})
	processes, branches := make(map[pg.ProcessStart]bool), make(map[pg.BranchID]bool)
	changes := 0
	for _, c := range contacts {
		if c.Start == 0 {
			continue // it did not say who it was
		}
		branch := j.branchOf(c.driver, c.Conn())
		newProcess := len(processes) > 0 && !processes[c.Start]
		newBranch := len(branches) > 0 && branch != 0 && !branches[branch]
		if newProcess || newBranch {
			changes++
		}
		processes[c.Start] = true
		if branch != 0 {
			branches[branch] = true
		}
	}
	cut := 0
	for _, o := range outages {
		if o.Disconnected {
			cut++
		}
	}
	if j.passedBy() {
		changes++
	}
	return max(changes, cut)
}

// passedBy tells whether the survivor is a server process, or on a branch, that no
// writer met: a fault came that the load did not live to see the end of. What is
// not known of either may be the same.
func (j *judge) passedBy() bool {
	s := &j.facts.Survivor
	if !s.Proven || j.unrecorded > 0 {
		return false
	}
	met, branch, process := false, s.Branch == 0, s.Start == 0
	for _, d := range j.facts.Drivers {
		for _, c := range d.Connections {
			on := j.branchOf(d.ID, c.Conn())
			branch = branch || on == s.Branch || on == 0
			process = process || c.Start == s.Start || c.Start == 0
			met = true
		}
	}
	return met && !(branch && process)
}

// faceless counts the connections that did not say which server process they met,
// or of which the branch is not known, or any record: each of them may have met a
// fault unseen.
func (j *judge) faceless() int64 {
	n := j.unrecorded
	for _, d := range j.facts.Drivers {
		for _, c := range d.Connections {
			if c.Start == 0 || j.branchOf(d.ID, c.Conn()) == 0 {
				n++
			}
		}
	}
	return n
}

// stalls gives all stretches in which a driver did not run as it should.
func (j *judge) stalls() []StallSpan {
	var spans []StallSpan
	for _, d := range j.facts.Drivers {
		for _, s := range d.Stalls {
			spans = append(spans, StallSpan{From: j.aligned.shared(d, s.From), To: j.aligned.shared(d, s.To), Cause: s.Cause})
		}
	}
	slices.SortStableFunc(spans, func(a, b StallSpan) int { return a.From.Compare(b.From) })
	return spans
}

// stalled tells whether any stall overlaps any outage.
func stalled(outages []Outage, stalls []StallSpan) bool {
	for _, o := range outages {
		for _, s := range stalls {
			if s.From.Before(o.To) && o.From.Before(s.To) {
				return true
			}
		}
	}
	return false
}

// times takes from the clock what it has to say.
func (j *judge) times() {
	r := &j.res.RTO
	r.Outages = j.clock.Outages()
	r.Global, r.WorkerMax = j.clock.Longest(), j.clock.WorkerLongest()
	r.Errors, r.Stalls = j.clock.Errors(), j.stalls()
	j.res.FaultsSeen = j.faultsSeen(r.Outages)
	var worst *Outage
	for i := range r.Outages {
		if worst == nil || r.Outages[i].Duration() > worst.Duration() {
			worst = &r.Outages[i]
		}
	}
	each := j.clock.Workers(worst)
	if worst != nil {
		r.Worst.Global = worst.Duration()
	}
	if len(each) > 0 {
		r.Worst.P50, r.Worst.P90, r.Worst.P99 = rank(each, 50), rank(each, 90), rank(each, 99)
		r.Worst.Max = each[len(each)-1]
	}
}

// rank is the nearest-rank percentile of ascending values.
func rank(each []time.Duration, percent int) time.Duration {
	return each[(len(each)*percent+99)/100-1]
}
