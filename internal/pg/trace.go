package pg

import "slices"

// The reasons for which a branch is told apart.
const (
	// ReasonFirst marks the first branch seen of a system.
	ReasonFirst = "first seen"
	// ReasonPromoted marks a timeline that was not seen before.
	ReasonPromoted = "new timeline"
	// ReasonBackwards marks a server with a known identity whose log ends
	// before what was acked there, or lacks a marker that was acked there.
	ReasonBackwards = "WAL went backwards"
)

// Trace makes the branches of a run from all contacts, in the order of their
// time, and extends those that are known already without renumbering them. It
// returns the branches and the branch of each contact, in the order given.
//
// A contact is on a known branch of its (system id, timeline, history) if the
// server process is one seen there and its look for the last acked marker did
// not fail; or if the process is new, its insert position is at or past the
// floor of the branch, and the marker was seen. Every other contact with a
// known identity opens a branch of its own, with an unknown fork. Where the
// history was not read, timeline and process stand in.
func Trace(known Branches, contacts []Contact) (Branches, []BranchID) {
	bs := slices.Clone(known)
	ids := make([]BranchID, len(contacts))
	order := make([]int, len(contacts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return byTime(contacts[a], contacts[b]) })
	looks := looksByProcess(contacts, order)
	for _, i := range order {
		c := contacts[i]
		if c.Timeline == 0 || c.Start == 0 {
			continue // The server did not say who it is: its branch is unknown.
		}
		if c.Timeline == 1 {
			c.HasHistory, c.History = true, nil
		}
		if _, seen := bs.Locate(c.System, c.Timeline, c.Start); !seen {
			l := looks[c.process()]
			if l.marker == Absent || c.Marker == NotLooked && c.Floor == 0 {
				c.Marker, c.Floor = l.marker, l.floor
			}
		}
		bs, ids[i] = bs.admit(c)
	}
	bs.link()
	return bs, ids
}

type process struct {
	system SystemID
	tl     Timeline
	start  ProcessStart
}

func (c Contact) process() process { return process{c.System, c.Timeline, c.Start} }

type look struct {
	marker Presence
	floor  LSN
}

// looksByProcess gathers what any observer's look showed of a server process
// that is new, for all of them: others have seen less of the log before, or had
// nothing to look for. One failed look outweighs the rest, if it was its
// observer's first at that process: what it missed was then on a log before. The
// judge comes last, and may miss what that very process has acked. The contacts
// are taken in the order given.
func looksByProcess(contacts []Contact, order []int) map[process]look {
	type meeting struct {
		observer int32
		process  process
	}
	looks, met := make(map[process]look), make(map[meeting]bool)
	for _, i := range order {
		c := contacts[i]
		key := c.process()
		first := !met[meeting{c.Observer, key}]
		// Who did not look has not met it yet.
		met[meeting{c.Observer, key}] = !first || c.Marker != NotLooked
		l := looks[key]
		switch {
		case l.marker == Absent:
		case c.Marker == Absent && first && c.Observer >= captureObserver:
			looks[key] = look{Absent, c.Floor}
		case c.Marker == Present && l.marker != Present && c.Insert >= c.Floor && c.Observer >= captureObserver:
			// The first such look is for what was acked before; a later
			// one may be for what this very process has acked.
			looks[key] = look{Present, c.Floor}
		}
	}
	return looks
}

// captureObserver is the least observer that is there while the run goes on.
const captureObserver = -1

// admit finds the branch of c or opens one, and raises the floor.
func (bs Branches) admit(c Contact) (Branches, BranchID) {
	reason := ReasonFirst
	if len(bs) > 0 {
		reason = ReasonPromoted
	}
	if _, decided := bs.Of(c.Branch); decided {
		bs[c.Branch-1].learn(c)
		return bs, c.Branch
	}
	// A process that was seen is on the last branch that it was seen on, or
	// on none of those known.
	alike := bs.alike(c)
	for _, b := range alike {
		if slices.Contains(b.Starts, c.Start) {
			if !b.goesOn(c) {
				alike = nil
				reason = ReasonBackwards
				break
			}
			b.learn(c)
			return bs, b.ID
		}
	}
	for _, b := range alike {
		if b.resumes(c) {
			b.learn(c)
			return bs, b.ID
		}
		reason = ReasonBackwards
	}
	b := Branch{
		ID: BranchID(len(bs) + 1), System: c.System, Timeline: c.Timeline,
		Reason: reason,
	}
	b.learn(c)
	return append(bs, b), b.ID
}

// alike lists the branches with the identity that c shows, the newest first.
func (bs Branches) alike(c Contact) []*Branch {
	var found []*Branch
	for i := len(bs) - 1; i >= 0; i-- {
		if bs[i].identifies(c) {
			found = append(found, &bs[i])
		}
	}
	return found
}

// identifies tells whether c shows the identity of the branch. A contact
// without a history matches by system and timeline.
func (b *Branch) identifies(c Contact) bool {
	if b.System != c.System || b.Timeline != c.Timeline {
		return false
	}
	return !b.HasHistory || !c.HasHistory || b.History.Text() == c.History.Text()
}

// goesOn is the continuity test of a process that was seen on the branch:
// whether nothing says that it crashed and lost its end. A missing marker fits
// only a branch that this very process opened by going backwards: it was acked
// before. A marker that is there proves that the log reaches it, wherever it
// ended when it was asked for its end, before the look. Without a look a floor
// that the log stands below is one that attempts prove lost.
func (b *Branch) goesOn(c Contact) bool {
	switch c.Marker {
	case Absent:
		return b.Reason == ReasonBackwards && b.Starts[0] == c.Start
	case Present:
		return true
	default:
		return c.Insert >= c.Floor
	}
}

// resumes is the continuity test of a process that is new to the branch: its
// log is at or past all that is known of the branch, and the last marker known
// there was seen.
func (b *Branch) resumes(c Contact) bool {
	if b.Floor == 0 && c.Floor == 0 {
		return c.Marker != Absent
	}
	return c.Insert >= max(b.Floor, c.Floor) && c.Marker == Present
}

func (b *Branch) learn(c Contact) {
	if !slices.Contains(b.Starts, c.Start) {
		b.Starts = append(slices.Clip(b.Starts), c.Start)
	}
	if c.HasHistory && !b.HasHistory {
		b.HasHistory, b.History = true, c.History
	}
	if c.Marker == Present {
		b.Floor = max(b.Floor, c.Floor)
	}
}

// link sets parent and fork of each branch whose history names them. A history
// line means the only branch with that system, timeline and text; where there
// are several, the branch is unclear. Branches that nobody saw are stepped
// over: the least switchpoint is what counts. What was found before is found
// anew: a branch seen since may be a nearer parent, or the double of one.
func (bs Branches) link() {
	for i := range bs {
		b := &bs[i]
		if b.Reason == ReasonBackwards {
			b.Unclear = true
			continue
		}
		if !b.HasHistory {
			continue
		}
		b.Parent, b.Fork, b.Unclear = 0, 0, false
		least := LSN(1<<64 - 1)
		for k := len(b.History) - 1; k >= 0 && b.Parent == 0 && !b.Unclear; k-- {
			least = min(least, b.History[k].End)
			switch parents := bs.named(b, k); len(parents) {
			case 0:
			case 1:
				b.Parent, b.Fork = parents[0], least
			default:
				b.Unclear = true
			}
		}
	}
}

// named lists the branches that step k of b's history may mean.
func (bs Branches) named(b *Branch, k int) []BranchID {
	text := b.History[:k].Text()
	var ids []BranchID
	for _, p := range bs {
		if p.ID == b.ID || p.System != b.System || p.Timeline != b.History[k].Parent {
			continue
		}
		if !p.HasHistory || p.History.Text() == text {
			ids = append(ids, p.ID)
		}
	}
	return ids
}
