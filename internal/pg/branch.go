package pg

import "cmp"

// BranchID is pgrpo's own number for one continuous WAL, from 1. 0 is unknown.
type BranchID int32

// Position is an LSN with the branch that it was read on. It has no order of
// its own: order is asked of the [Branches].
type Position struct {
	Branch BranchID
	LSN    LSN
}

// Branch is one continuous WAL: a (system id, timeline, history), and
// continuity. A server that shows a known identity but an earlier or emptied
// log is on another branch.
type Branch struct {
	ID         BranchID
	System     SystemID
	Timeline   Timeline
	HasHistory bool
	History    History
	// Starts are the server processes seen on the branch, oldest first.
	Starts []ProcessStart
	// Floor is the greatest LSN that is known acked or captured on it.
	Floor LSN
	// Parent is the nearest branch of the run that this one left, and Fork
	// the first byte that the two do not share: the least switchpoint over
	// the steps between them. A zero Parent means that none was seen.
	Parent BranchID
	Fork   LSN
	// Unclear says that the history names a parent that pgrpo cannot tell
	// from another branch of the same identity, or that continuity broke:
	// nothing may be concluded across such a branch.
	Unclear bool
	// Reason says why the branch was told apart from the others.
	Reason string
}

// Branches are the branches of one run; the branch with id n is at index n-1.
type Branches []Branch

// Of returns the branch with that id.
func (bs Branches) Of(id BranchID) (Branch, bool) {
	if id < 1 || int(id) > len(bs) {
		return Branch{}, false
	}
	return bs[id-1], true
}

// Relation is how one branch stands to another.
type Relation uint8

// The relations. Its zero value is "unknown": nothing may be concluded.
const (
	Unknown Relation = iota
	// Same means the very branch.
	Same
	// Ancestor means that all below the cut is shared.
	Ancestor
	// Stranger means that the branch is proven to be no ancestor: nothing of
	// its own part is shared.
	Stranger
)

// Cut tells how much of branch of is part of branch on: for [Ancestor], every
// record that starts below the returned LSN, the least switchpoint over all
// steps between the two. A step whose fork is unknown makes it [Unknown].
func (bs Branches) Cut(of, on BranchID) (LSN, Relation) {
	if of == on && of != 0 {
		return 0, Same
	}
	b, ok := bs.Of(on)
	if _, known := bs.Of(of); !ok || !known {
		return 0, Unknown
	}
	least := LSN(1<<64 - 1)
	for range bs {
		switch {
		case b.Unclear:
			return 0, Unknown
		case b.Parent == 0:
			return bs.unrelated(of, b.ID)
		case b.Parent == of:
			return min(least, b.Fork), Ancestor
		}
		least = min(least, b.Fork)
		b = bs[b.Parent-1]
	}
	return 0, Unknown
}

// unrelated decides between Stranger and Unknown for a branch that the chain of
// another does not name, as far as that is known: to root. Only two histories that
// were both read prove it a stranger: past a root whose history was not, anything
// may be. Other clusters always are, and a server that may not tell its system is
// on no known one.
func (bs Branches) unrelated(of, root BranchID) (LSN, Relation) {
	a, b := bs[of-1], bs[root-1]
	switch {
	case a.System == 0 || b.System == 0:
		return 0, Unknown
	case a.System != b.System:
		return 0, Stranger
	case !a.HasHistory || !b.HasHistory || a.Unclear:
		return 0, Unknown
	default:
		return 0, Stranger
	}
}

// Survives tells whether a commit record that starts at p.LSN on p.Branch is
// part of branch on; the second result is false where that cannot be told.
func (bs Branches) Survives(p Position, on BranchID) (survives, known bool) {
	cut, rel := bs.Cut(p.Branch, on)
	switch rel {
	case Same:
		return true, true
	case Ancestor:
		return p.LSN < cut, true
	case Stranger:
		// What lies before its own fork is its ancestors'.
		if owner := bs.Owner(p); owner != p.Branch {
			return bs.Survives(Position{Branch: owner, LSN: p.LSN}, on)
		}
		return false, true
	default:
		return false, false
	}
}

// Owner is the oldest branch that holds the record starting at p.LSN: a
// promoted server that sends a commit from before its fork sends its
// ancestor's commit.
func (bs Branches) Owner(p Position) BranchID {
	id := p.Branch
	for range bs {
		b, ok := bs.Of(id)
		if !ok || b.Parent == 0 || p.LSN >= b.Fork {
			break
		}
		id = b.Parent
	}
	return id
}

// Locate finds the branch on which a server process was seen. The timeline is
// part of the key because a process that was a standby keeps its start through
// a promotion.
func (bs Branches) Locate(system SystemID, tl Timeline, start ProcessStart) (BranchID, bool) {
	for i := len(bs) - 1; i >= 0; i-- {
		b := bs[i]
		if b.System != system || b.Timeline != tl {
			continue
		}
		for _, s := range b.Starts {
			if s == start {
				return b.ID, true
			}
		}
	}
	return 0, false
}

// Identified is the only branch with the identity that c shows, 0 if there is
// none or more than one.
func (bs Branches) Identified(c Contact) BranchID {
	alike := bs.alike(c)
	if len(alike) != 1 {
		return 0
	}
	return alike[0].ID
}

func byTime(a, b Contact) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Observer, b.Observer), cmp.Compare(a.Number, b.Number))
}
