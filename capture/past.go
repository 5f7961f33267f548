package capture

import (
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Past is what the repo held when a connection was made, and the branch that
// this connection is on. It is a pure value.
type Past struct {
	repo.Progress
	// On is the branch of the connection.
	On       pg.BranchID
	Branches pg.Branches
	// StartBranch is the branch on which Start was read.
	StartBranch pg.BranchID
	// HighWater is the end of the last commit stored of each branch.
	HighWater map[pg.BranchID]pg.LSN
	Gaps      []txn.Gap
}

// Fresh tells whether the run's slot never stood: nothing can be missing.
func (p *Past) Fresh() bool { return p.Start == 0 && p.Branch == 0 && len(p.HighWater) == 0 }

// shared is how much of what lies below lsn on branch b is part of the
// connection's branch: all of it, what lies below the fork, or nothing. Where
// that cannot be told it is nothing.
func (p *Past) shared(b pg.BranchID, lsn pg.LSN) pg.LSN {
	switch cut, relation := p.Branches.Cut(b, p.On); relation {
	case pg.Same:
		return lsn
	case pg.Ancestor:
		return min(lsn, cut)
	default:
		return 0
	}
}

// Stored is the position on the connection's branch up to which every
// transaction is in the repo or in a recorded gap, as the stored commits show
// it.
func (p *Past) Stored() pg.LSN {
	end := p.shared(p.Branch, p.End)
	for b, lsn := range p.HighWater {
		end = max(end, p.shared(b, lsn))
	}
	return end
}

// Heard is the position on the connection's branch up to which nothing is
// missing without being recorded: stored, said by the server to be all, or in a
// gap.
func (p *Past) Heard() pg.LSN {
	heard := max(p.Stored(), p.shared(p.Branch, p.FollowedTo))
	for range p.Gaps {
		for _, g := range p.Gaps {
			if to := p.shared(g.Branch, g.To); g.From <= heard {
				heard = max(heard, to)
			}
		}
	}
	return heard
}

// Resume is the position to start the stream at, on a server whose log ends at
// serverEnd and whose slot was confirmed up to confirmed. It is never above
// what is stored of the connection's branch: a server silently skips every
// commit that starts below it (SnapBuildXactNeedsSkip in snapbuild.c), also if
// the position was read on another branch. In doubt it is 0/0, which means the
// slot's own position.
func (p *Past) Resume(serverEnd, confirmed pg.LSN) pg.LSN {
	at := p.Stored()
	if at > serverEnd {
		return 0
	}
	for _, g := range p.Gaps {
		// What the slot still has of a gap is heard now.
		if to := p.shared(g.Branch, g.To); confirmed < to && g.From < at {
			at = max(g.From, p.inside(g))
		}
	}
	return at
}

// inside is how far a gap was filled by an earlier connection, 0 if it was not.
func (p *Past) inside(g txn.Gap) pg.LSN {
	if at := p.shared(p.Branch, p.End); g.From < at && at < p.shared(g.Branch, g.To) {
		return at
	}
	return 0
}

// Rule rules on a transaction whose commit record starts at start, as the
// connection sends it.
func (p *Past) Rule(start pg.LSN) (pg.BranchID, Fate) {
	owner := p.Branches.Owner(pg.Position{Branch: p.On, LSN: start})
	if owner == p.StartBranch && start < p.Start {
		return owner, Early
	}
	if start >= p.HighWater[owner] {
		return owner, Keep
	}
	for _, g := range p.Gaps {
		if g.From <= start && start < p.shared(g.Branch, g.To) && start >= p.inside(g) {
			return owner, Keep
		}
	}
	return owner, Resent
}

// Missing is the gap that a slot leaves which sends nothing below from; false
// if it leaves none.
func (p *Past) Missing(slot string, from pg.LSN, reason string) (txn.Gap, bool) {
	heard := p.Heard()
	if p.Fresh() || from <= heard {
		return txn.Gap{}, false
	}
	return txn.Gap{Slot: slot, Branch: p.On, From: heard, To: from, Reason: reason}, true
}

// Shrink is a gap of which the part below From was heard after all.
type Shrink struct {
	Gap  txn.Gap
	From pg.LSN
}

// shrink takes note of a gap that shrank.
func (p *Past) shrink(s Shrink) {
	for i, g := range p.Gaps {
		if g == s.Gap {
			p.Gaps[i].From = s.From
		}
	}
}

// Filled lists the gaps that shrink once all that the server sends from from to
// end is stored. A gap whose beginning the server does not send stays as it is.
func (p *Past) Filled(from, end pg.LSN) []Shrink {
	var filled []Shrink
	for _, g := range p.Gaps {
		if to := min(end, p.shared(g.Branch, g.To)); from <= g.From && g.From < to {
			filled = append(filled, Shrink{Gap: g, From: to})
		}
	}
	return filled
}
