package compare_test

import (
	"math"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// way is the line of WAL that leads to a branch: each branch on it, with the first
// byte of that one that it does not share. Its origin is the oldest, and clear
// says that nothing on the way is in question.
type way struct {
	below  map[pg.BranchID]pg.LSN
	origin pg.Branch
	clear  bool
}

// branch looks a branch up.
func (o *oracle) branch(id pg.BranchID) (pg.Branch, bool) {
	for _, b := range o.facts.Branches {
		if b.ID == id && id > 0 {
			return b, true
		}
	}
	return pg.Branch{}, false
}

// wayTo goes back from a branch, from parent to parent.
func (o *oracle) wayTo(id pg.BranchID) way {
	w := way{below: map[pg.BranchID]pg.LSN{}}
	upto := pg.LSN(math.MaxUint64)
	for b, there := o.branch(id); there; b, there = o.branch(b.Parent) {
		if _, met := w.below[b.ID]; met {
			return w // a ring leads nowhere
		}
		w.below[b.ID], w.origin = upto, b
		if b.Unclear {
			return w
		}
		if b.Parent == 0 {
			w.clear = true
			return w
		}
		upto = min(upto, b.Fork)
	}
	return w
}

// shared tells how one branch stands to another, and for an ancestor up to which
// byte the other is the same.
func (o *oracle) shared(of, on pg.BranchID) (pg.LSN, pg.Relation) {
	a, there := o.branch(of)
	_, both := o.branch(on)
	if !there || !both {
		return 0, pg.Unknown
	}
	if of == on {
		return 0, pg.Same
	}
	w := o.wayTo(on)
	if upto, is := w.below[of]; is {
		return upto, pg.Ancestor
	}
	switch {
	case !w.clear, a.System == 0, w.origin.System == 0:
		return 0, pg.Unknown
	case a.System != w.origin.System:
		return 0, pg.Stranger
	case a.HasHistory && w.origin.HasHistory && !a.Unclear:
		return 0, pg.Stranger
	default:
		return 0, pg.Unknown
	}
}

// owner is the oldest branch that a record is of.
func (o *oracle) owner(id pg.BranchID, lsn pg.LSN) pg.BranchID {
	for steps := 0; steps <= len(o.facts.Branches); steps++ {
		b, there := o.branch(id)
		if !there || b.Parent == 0 || lsn >= b.Fork {
			return id
		}
		id = b.Parent
	}
	return id
}

// survives tells whether what starts there is on the survivor: on its own branch
// all is, of an ancestor what lies below each fork on the way, and of a stranger
// nothing but what is its ancestors' own.
func (o *oracle) survives(id pg.BranchID, lsn pg.LSN) compare.Word {
	if !o.facts.Survivor.Proven {
		return compare.Silent
	}
	switch upto, rel := o.shared(id, o.facts.Survivor.Branch); rel {
	case pg.Same:
		return compare.SaysSurvives
	case pg.Ancestor:
		if lsn < upto {
			return compare.SaysSurvives
		}
		return compare.SaysLost
	case pg.Stranger:
		if parents := o.owner(id, lsn); parents != id {
			return o.survives(parents, lsn)
		}
		return compare.SaysLost
	default:
		return compare.Silent
	}
}

// fork is the first byte of a branch that is not on the survivor: where the line
// of the one leaves that of the other.
func (o *oracle) fork(branch pg.BranchID) (pg.LSN, bool) {
	upto, rel := o.shared(branch, o.facts.Survivor.Branch)
	if rel != pg.Stranger {
		return upto, rel == pg.Ancestor
	}
	least := pg.LSN(math.MaxUint64)
	for b, there := o.branch(branch); there && !b.Unclear && b.Parent != 0; b, there = o.branch(b.Parent) {
		least = min(least, b.Fork)
		switch upto, rel := o.shared(b.Parent, o.facts.Survivor.Branch); rel {
		case pg.Same:
			return least, true
		case pg.Ancestor:
			return min(least, upto), true
		case pg.Unknown:
			return 0, false
		}
	}
	return 0, false
}
