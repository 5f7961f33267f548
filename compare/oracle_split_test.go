package compare_test

import (
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// reigning is a server, by its process on a branch.
type reigning struct {
	branch pg.BranchID
	start  pg.ProcessStart
}

func (o *oracle) servers() map[reigning][]*deed {
	all := map[reigning][]*deed{}
	for _, d := range o.all {
		if branch, start := o.from(d); d.acked() && branch != 0 {
			all[reigning{branch, start}] = append(all[reigning{branch, start}], d)
		}
	}
	return all
}

func (o *oracle) driverOf(d *deed) txn.Driver {
	r, _ := o.reserve(d.id.Worker)
	return r.Driver
}

// split finds an attempt that was acked by a server, and surely sent after an ack
// of one that took over from it was there.
func (o *oracle) split(d *deed, servers map[reigning][]*deed) {
	branch, start := o.from(d)
	if !d.acked() || branch == 0 {
		return
	}
	old := reigning{branch, start}
	for by, acks := range servers {
		if o.afterAny(d, acks) && o.tookOver(by, old, servers) {
			o.found(compare.SplitBrain, d.id, 0)
			return
		}
	}
}

// afterAny tells whether an attempt was sent after any of the acks came, by the
// clock of one driver, or by those of two as far as they were measured.
func (o *oracle) afterAny(d *deed, acks []*deed) bool {
	for _, a := range acks {
		mine, _ := o.driver(o.driverOf(d))
		theirs, _ := o.driver(o.driverOf(a))
		if mine.ID == theirs.ID && o.driverOf(a) == o.driverOf(d) {
			if d.entry.Sent > a.entry.End() {
				return true
			}
			continue
		}
		// By the repo's clock, and beyond the errors of both.
		sent := mine.Started.Add(mine.Clock.Offset + d.entry.Sent)
		received := theirs.Started.Add(theirs.Clock.Offset + a.entry.End())
		if mine.Clock.Measured() && theirs.Clock.Measured() && sent.Sub(received) > mine.Clock.Error+theirs.Clock.Error {
			return true
		}
	}
	return false
}

// tookOver tells whether a server took over from another: its branch descends
// from the other's; or neither does, they took writes at a time, and it is the
// one that the survivor's log goes on from, or else the one met later.
func (o *oracle) tookOver(by, old reigning, servers map[reigning][]*deed) bool {
	if by == old || by.start == old.start && by.start != 0 {
		return false
	}
	if _, rel := o.shared(old.branch, by.branch); rel == pg.Ancestor {
		return true
	}
	if _, rel := o.shared(by.branch, old.branch); rel == pg.Ancestor || by.start == 0 || old.start == 0 {
		return false
	}
	theirs, mine := false, false
	for _, d := range servers[by] {
		theirs = theirs || o.afterAny(d, servers[old])
	}
	for _, d := range servers[old] {
		mine = mine || o.afterAny(d, servers[by])
	}
	switch {
	case !mine || !theirs:
		return false
	case o.leads(by) != o.leads(old):
		return o.leads(by)
	}
	if a, b := o.met(servers[old]), o.met(servers[by]); !a.Equal(b) {
		return a.Before(b)
	}
	// One of the two is, whichever it is called.
	return old.branch < by.branch || old.branch == by.branch && old.start < by.start
}

// leads tells whether the survivor's log goes on from a server's.
func (o *oracle) leads(s reigning) bool {
	_, rel := o.shared(s.branch, o.facts.Survivor.Branch)
	return o.facts.Survivor.Proven && (rel == pg.Same || rel == pg.Ancestor)
}

// met is when the first of these acks came.
func (o *oracle) met(acks []*deed) time.Time {
	var first time.Time
	for _, d := range acks {
		driver, _ := o.driver(o.driverOf(d))
		at := driver.Started.Add(driver.Clock.Offset + d.entry.End())
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
