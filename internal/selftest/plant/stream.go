package plant

import (
	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func streamPlanters() []*Planter {
	return []*Planter{
		{Name: "transaction taken out of the stream", Reach: Local, Classes: []compare.Class{compare.CaptureGap}, plant: gap},
		{Name: "captured change removed", Reach: Local, Classes: []compare.Class{compare.CaptureTorn}, plant: removeChange},
		{Name: "captured change doubled", Reach: Local, Classes: []compare.Class{compare.CaptureMismatch}, plant: doubleChange},
		{Name: "captured change altered", Reach: Local, Classes: []compare.Class{compare.CaptureMismatch}, plant: alterChange},
		{Name: "changes of two transactions swapped", Reach: Local, Classes: []compare.Class{compare.CaptureMismatch}, plant: swapChanges},
		{Name: "captured marker altered with its changes", Reach: Local, Classes: []compare.Class{compare.CaptureMismatch}, plant: alterPromise},
		{Name: "transaction captured at a second position", Reach: Local, Classes: []compare.Class{compare.CaptureMismatch}, plant: twice},
		{Name: "two transactions captured in the wrong order", Reach: Local, Classes: []compare.Class{compare.CaptureDisorder}, plant: disorder},
		{Name: "two transactions captured at one position", Reach: Local, Classes: []compare.Class{compare.CaptureDisorder}, plant: onePosition},
		{Name: "captured transaction stored twice", Reach: Local, Classes: []compare.Class{compare.CaptureDuplicate}, plant: storeTwice},
		{
			Name: "captured transaction stored again with other content", Reach: Local,
			Classes: []compare.Class{compare.CaptureDuplicate, compare.CaptureMismatch}, plant: storeOther,
		},
		{
			Name: "captured transaction that nobody sent", Reach: Local,
			Classes: []compare.Class{compare.CapturedLost, compare.WitnessDisagreement}, plant: alienCommit,
		},
		{Name: "transactions delivered again", Reach: Local, Classes: []compare.Class{compare.CaptureDuplicate}, plant: deliverAgain},
	}
}

// shownWhole tells whether an attempt came once, with all it promised.
func (p *Plot) shownWhole(a *attempt, e txn.Entry) bool {
	commits := p.commits(a.ID)
	return p.keptAndShown(a, e) && commits[0].Seen == commits[0].Ops
}

func gap(p *Plot) bool {
	a := p.find(p.keptAndShown)
	if a == nil {
		return false
	}
	p.attempts[a.ID] = true
	p.forget(a.ID)
	p.of(compare.CaptureGap, a.ID)
	return true
}

// alterShown alters the one commit of an attempt that came whole.
func (p *Plot) alterShown(alter func(*attempt, *txn.Commit)) (*attempt, bool) {
	a := p.find(p.shownWhole)
	if a == nil {
		return nil, false
	}
	p.attempts[a.ID] = true
	p.edit(a.ID, func(c *txn.Commit) { alter(a, c) })
	return a, true
}

// anyChange is the checksum of one change of an attempt.
func (p *Plot) anyChange(a *attempt) txn.Sum {
	return p.base.change(a.ID, a.ops[p.chance.IntN(len(a.ops))])
}

func removeChange(p *Plot) bool {
	a, ok := p.alterShown(func(a *attempt, c *txn.Commit) {
		c.Seen--
		c.SeenSum ^= p.anyChange(a)
	})
	if ok {
		p.of(compare.CaptureTorn, a.ID)
	}
	return ok
}

func doubleChange(p *Plot) bool {
	a, ok := p.alterShown(func(a *attempt, c *txn.Commit) {
		c.Seen++
		c.SeenSum ^= p.anyChange(a)
	})
	if ok {
		p.of(compare.CaptureMismatch, a.ID)
	}
	return ok
}

func alterChange(p *Plot) bool {
	a, ok := p.alterShown(func(_ *attempt, c *txn.Commit) { c.SeenSum ^= txn.Sum(1 + p.chance.Int32N(1<<30)) })
	if ok {
		p.of(compare.CaptureMismatch, a.ID)
	}
	return ok
}

// swapChanges gives each of two attempts of as many changes those of the other.
func swapChanges(p *Plot) bool {
	a := p.find(p.shownWhole)
	if a == nil {
		return false
	}
	first := p.commits(a.ID)[0]
	b := p.find(func(b *attempt, e txn.Entry) bool {
		return b != a && p.shownWhole(b, e) && len(b.ops) == len(a.ops) && p.commits(b.ID)[0].SeenSum != first.SeenSum
	})
	if b == nil {
		return false
	}
	second := p.commits(b.ID)[0]
	p.edit(a.ID, func(c *txn.Commit) { c.SeenSum = second.SeenSum })
	p.edit(b.ID, func(c *txn.Commit) { c.SeenSum = first.SeenSum })
	for _, id := range []txn.ID{a.ID, b.ID} {
		p.attempts[id] = true
		p.of(compare.CaptureMismatch, id)
	}
	return true
}

// alterPromise makes a transaction of the stream that fits itself, and not the
// survivor.
func alterPromise(p *Plot) bool {
	turn := txn.Sum(1 + p.chance.Int32N(1<<30))
	a, ok := p.alterShown(func(_ *attempt, c *txn.Commit) { c.Sum, c.SeenSum = c.Sum^turn, c.SeenSum^turn })
	if ok {
		p.mismatchMarker(a.ID)
	}
	return ok
}

func twice(p *Plot) bool {
	a := p.find(p.shownWhole)
	if a == nil {
		return false
	}
	p.attempts[a.ID] = true
	again := p.commits(a.ID)[0]
	if b := p.fork(); b != nil && again.Branch == b.ID && again.LSN > b.Fork && p.chance.IntN(2) == 0 {
		// Where it was lost: it survives all the same.
		again.Branch, again.LSN, again.End = b.Parent, b.Fork, b.Fork+8
	} else {
		again.LSN, again.End = again.LSN+8, again.End+8
	}
	again.Xid++
	p.Stream[a.Worker] = append(p.Stream[a.Worker], again)
	p.of(compare.CaptureMismatch, a.ID)
	return true
}

// disorder exchanges the positions of two neighbours.
func disorder(p *Plot) bool {
	a, next := p.neighbours()
	if a == nil {
		return false
	}
	first, second := p.commits(a.ID)[0], p.commits(next.ID)[0]
	p.edit(a.ID, func(c *txn.Commit) { c.LSN, c.End = second.LSN, second.End })
	p.edit(next.ID, func(c *txn.Commit) { c.LSN, c.End = first.LSN, first.End })
	p.of(compare.CaptureDisorder, next.ID)
	return true
}

// onePosition lets the later of two neighbours come where the earlier one did.
func onePosition(p *Plot) bool {
	a, next := p.neighbours()
	if a == nil {
		return false
	}
	first := p.commits(a.ID)[0]
	p.edit(next.ID, func(c *txn.Commit) { c.LSN, c.End = first.LSN, first.End })
	p.of(compare.CaptureDisorder, next.ID)
	return true
}

// neighbours claims two attempts of a worker, captured on one branch and on one
// side of each fork, of which the one was acked before the other was sent. No
// other captured attempt of the worker lies between. Nil if there are none.
func (p *Plot) neighbours() (a, next *attempt) {
	a = p.find(func(a *attempt, e txn.Entry) bool {
		next = nil
		if !p.keptAndShown(a, e) {
			return false
		}
		first := p.commits(a.ID)[0]
		for _, b := range p.base.all {
			if b.Worker != a.Worker || b.Seq <= a.Seq || p.commitsOf(b.ID) == 0 {
				continue
			}
			after, known := p.entry(b.ID)
			if known && !p.attempts[b.ID] && !p.base.marked[b.ID] && p.keptAndShown(b, after) {
				second := p.commits(b.ID)[0]
				same := p.holds(pg.Position{Branch: first.Branch, LSN: first.LSN}) == p.holds(pg.Position{Branch: second.Branch, LSN: second.LSN})
				if same && second.Branch == first.Branch && second.LSN > first.LSN {
					next = b
				}
			}
			break
		}
		return next != nil
	})
	if a == nil {
		return nil, nil
	}
	p.attempts[a.ID], p.attempts[next.ID] = true, true
	return a, next
}

func deliverAgain(p *Plot) bool {
	p.Facts.Capture.Duplicates += 1 + p.chance.Int64N(100)
	return true
}

// twofold puts the one commit of an attempt into the stream once more.
func (p *Plot) twofold(alter func(*txn.Commit)) (*attempt, bool) {
	a := p.find(p.shownWhole)
	if a == nil {
		return nil, false
	}
	p.attempts[a.ID] = true
	c := p.commits(a.ID)[0]
	alter(&c)
	p.Stream[a.Worker] = append(p.Stream[a.Worker], c)
	p.repeats++
	return a, true
}

func storeTwice(p *Plot) bool {
	_, ok := p.twofold(func(*txn.Commit) {})
	return ok
}

func storeOther(p *Plot) bool {
	a, ok := p.twofold(func(c *txn.Commit) { c.Xid++ })
	if ok {
		p.of(compare.CaptureMismatch, a.ID)
	}
	return ok
}

// alienCommit shows a transaction in the log that the survivor holds, of which
// neither an account nor a row tells.
func alienCommit(p *Plot) bool {
	w, ok := p.anyWorker()
	if !ok || p.Stream[w] == nil {
		return false
	}
	id := p.unused(w)
	end := p.Stream[w][len(p.Stream[w])-1].End
	p.Stream[w] = append(p.Stream[w], txn.Commit{
		ID: id, Branch: p.Facts.Survivor.Branch, LSN: end, End: end + 8, Xid: 3, Ops: 1, Seen: 1,
	})
	p.of(compare.CapturedLost, id)
	p.certain(compare.WitnessDisagreement, id)
	return true
}
