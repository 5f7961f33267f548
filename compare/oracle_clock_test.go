package compare_test

import (
	"math"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	never = int64(math.MinInt64)
	open  = int64(math.MaxInt64)
)

// diary is what one worker asked of the service, when it was acked, and when its
// connections were lost or refused.
type diary struct{ asked, acked, lost []int64 }

// span is a time between two acks: of a worker or of all.
type span struct{ from, to int64 }

func disconnected(f txn.Fault) bool {
	return slices.Contains([]txn.Fault{txn.Refused, txn.Reset, txn.Timeout, txn.ReadOnly, txn.StartingUp, txn.ShuttingDown}, f)
}

// diaries are those of all workers, and the end of the last thing in them.
func (o *oracle) diaries() (all map[txn.Worker]*diary, last int64) {
	all, last = map[txn.Worker]*diary{}, never
	of := func(w txn.Worker) *diary {
		if all[w] == nil {
			all[w] = &diary{}
		}
		return all[w]
	}
	note := func(d *diary, at, end int64, f txn.Fault) {
		d.asked, last = append(d.asked, at), max(last, end)
		if disconnected(f) {
			d.lost = append(d.lost, end)
		}
		e := &o.res.RTO.Errors
		if n := map[txn.Fault]*int64{
			txn.Refused: &e.Refused, txn.Reset: &e.Reset, txn.Timeout: &e.Timeout, txn.ReadOnly: &e.ReadOnly, txn.StartingUp: &e.StartingUp,
			txn.ShuttingDown: &e.ShuttingDown, txn.TooManyConnections: &e.TooManyConnections, txn.OtherFault: &e.Other,
		}[f]; n != nil {
			*n++
		}
	}
	for _, d := range o.all {
		if !d.sent() {
			continue
		}
		diary := of(d.id.Worker)
		note(diary, d.ended.Add(-d.entry.Took).UnixNano(), d.ended.UnixNano(), d.entry.Fault)
		if d.acked() {
			diary.acked = append(diary.acked, d.ended.UnixNano())
		}
	}
	for _, d := range o.facts.Drivers {
		for _, p := range d.Probes {
			at := o.zero(d).Add(p.At)
			note(of(p.Worker), at.UnixNano(), at.Add(p.Took).UnixNano(), p.Fault)
		}
	}
	return all, last
}

// spans are the times between all of these acks, and before and after them.
func spansOf(acks []int64) []span {
	all := []span{{never, open}}
	for _, at := range slices.Compact(slices.Sorted(slices.Values(acks))) {
		n := len(all) - 1
		all = append(all[:n], span{all[n].from, at}, span{at, open})
	}
	return all
}

// around is the worker's own time without an ack that a span lies in.
func (d *diary) around(s span) span {
	for _, own := range spansOf(d.acked) {
		if own.from <= s.from && s.to <= own.to {
			return own
		}
	}
	return span{}
}

// since is when a worker first asked in a span, or ever after it: what it asked
// for since it was last acked is still wanted.
func (d *diary) since(s span) int64 {
	own, first := d.around(s), open
	for _, at := range d.asked {
		if own.from <= at && at < own.to {
			first = min(first, max(at, s.from))
		}
	}
	return first
}

// times finds the outages and the longest times without an ack.
func (o *oracle) times() {
	all, last := o.diaries()
	r := &o.res.RTO
	threshold := int64(o.c.OutageThreshold)
	finest := threshold
	slack, _ := o.clocks()
	limits := []*time.Duration{o.c.Limits.RTOWorkerMax}
	if all := o.c.Limits.RTOGlobal; all != nil {
		closer := *all - slack
		limits = append(limits, &closer)
	}
	for _, limit := range limits {
		if limit != nil {
			finest = max(min(finest, int64(*limit)), int64(10*time.Millisecond))
		}
	}
	var acks []int64
	for _, d := range all {
		acks = append(acks, d.acked...)
	}
	for _, s := range spansOf(acks) {
		asked, cut := open, false
		for _, d := range all {
			asked = min(asked, d.since(s))
			cut = cut || slices.ContainsFunc(d.lost, func(at int64) bool { return s.from <= at && at <= s.to })
		}
		end := s.to
		if s.to == open {
			end = max(last, s.from)
		}
		if s.from == never || len(all) == 0 {
			continue
		}
		length, wanted := end-s.from, min(s.to, last)-asked
		if s.to != open && length >= finest && (asked >= s.to || wanted < finest) {
			o.unasked.all = max(o.unasked.all, time.Duration(length))
		}
		if asked >= s.to {
			continue
		}
		if length >= finest && wanted >= finest {
			r.Global = max(r.Global, time.Duration(length))
		}
		if length > threshold && wanted > threshold {
			r.Outages = append(r.Outages, compare.Outage{From: time.Unix(0, s.from), To: time.Unix(0, end), Open: s.to == open, Disconnected: cut})
		}
	}
	for _, d := range all {
		for _, s := range spansOf(d.acked) {
			asked := d.since(s)
			if asked >= s.to || min(s.to, last)-asked < finest {
				if length := s.to - s.from; s.from != never && s.to != open && length >= finest {
					o.unasked.worker = max(o.unasked.worker, time.Duration(length))
				}
				continue
			}
			from, to := s.from, s.to
			if from == never {
				from = asked
			}
			if to == open {
				to = max(last, from)
			}
			r.WorkerMax = max(r.WorkerMax, time.Duration(to-from))
		}
	}
	o.res.FaultsSeen = max(o.changes(), len(slices.DeleteFunc(slices.Clone(r.Outages), func(u compare.Outage) bool { return !u.Disconnected })))
}

// changes counts the connections that met a server process or a branch that no
// one had met before, but the first.
func (o *oracle) changes() int {
	type met struct {
		txn.Connection
		branch pg.BranchID
		driver txn.Driver
	}
	var all []met
	for _, d := range o.facts.Drivers {
		for _, c := range d.Connections {
			if c.Start != 0 {
				all = append(all, met{c, o.branchOf(d.ID, c.Conn()), d.ID})
			}
		}
	}
	earlier := func(a, b met) bool {
		if a.At != b.At {
			return a.At < b.At
		}
		return a.driver < b.driver || a.driver == b.driver && a.Number < b.Number
	}
	n := 0
	for _, c := range all {
		first, newProcess, newBranch, branches := true, true, c.branch != 0, false
		for _, b := range all {
			if earlier(b, c) {
				first = false
				newProcess = newProcess && b.Start != c.Start
				newBranch = newBranch && b.branch != c.branch
				branches = branches || b.branch != 0
			}
		}
		if !first && (newProcess || newBranch && branches) {
			n++
		}
	}
	if o.unmet() {
		n++
	}
	return n
}

// unmet tells whether every connection is known to be on another branch than the
// survivor, or every one to be of another process.
func (o *oracle) unmet() bool {
	var branches []pg.BranchID
	var starts []pg.ProcessStart
	for _, d := range o.facts.Drivers {
		for _, c := range d.Connections {
			branches, starts = append(branches, o.branchOf(d.ID, c.Conn())), append(starts, c.Start)
		}
	}
	s := o.facts.Survivor
	if !s.Proven || o.unrecorded() || len(branches) == 0 {
		return false
	}
	elsewhere := s.Branch != 0 && !slices.Contains(branches, s.Branch) && !slices.Contains(branches, 0)
	another := s.Start != 0 && !slices.Contains(starts, s.Start) && !slices.Contains(starts, 0)
	return elsewhere || another
}
