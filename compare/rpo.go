package compare

import (
	"github.com/pgrpo/pgrpo/internal/pg"
)

// forkLoss is what was lost of one branch.
type forkLoss struct {
	// most and atMost are the greatest end that the lost records are known
	// to reach, and that they may reach. Open says that an end is not
	// bounded.
	most, atMost pg.LSN
	open         bool
}

// lose adds a lost attempt to the RPO.
func (j *judge) lose(s *sight, f Finding) {
	r := &j.res.RPO
	if s.account == AckedUnreplicated {
		r.Unreplicated++
		r.UnreplicatedOps.add(s.ops)
	}
	if !j.promised(s) {
		return
	}
	r.Transactions++
	r.Ops.add(s.ops)
	if s.restored {
		r.Restored++
	}
	if r.First == nil || f.AckedAt.Before(r.First.AckedAt) {
		r.First = &f
	}
	if r.Last == nil || f.AckedAt.After(r.Last.AckedAt) {
		r.Last = &f
	}
	j.lostAt(s)
	for i := range s.commits {
		c := &s.commits[i]
		fork := j.fork(j.facts.Branches.Owner(pg.Position{Branch: c.Branch, LSN: c.LSN}))
		fork.most, fork.atMost = max(fork.most, c.End), max(fork.atMost, c.End)
	}
	if len(s.commits) > 0 {
		return
	}
	fork := j.fork(f.Branch)
	fork.most, fork.atMost = max(fork.most, f.Min), max(fork.atMost, f.Max)
	fork.open = fork.open || f.Max == 0
}

// fork is what was lost of a branch.
func (j *judge) fork(b pg.BranchID) *forkLoss {
	if j.forks[b] == nil {
		j.forks[b] = new(forkLoss)
	}
	return j.forks[b]
}

// measure sums the WAL bytes and finds the greatest number of seconds.
func (j *judge) measure() {
	r := &j.res.RPO
	r.WAL = WALBytes{MinKnown: true, MaxKnown: true}
	if r.Transactions == 0 {
		return
	}
	j.measureSpan()
	for branch, loss := range j.forks {
		fork, known := leaves(j.facts.Branches, branch, j.facts.Survivor.Branch)
		if !known {
			r.WAL = WALBytes{Why: "no fork is known between the lost transactions and the survivor"}
			continue
		}
		if !r.WAL.MinKnown {
			continue
		}
		if loss.most > fork {
			r.WAL.Min += int64(loss.most - fork)
		}
		if loss.atMost > fork {
			r.WAL.Max += int64(loss.atMost - fork)
		}
		if loss.open {
			r.WAL.MaxKnown = false
			r.WAL.Why = "where the last lost transactions ended is not known: they were not captured, and nothing was sent after them"
		}
	}
	if !r.WAL.MaxKnown {
		r.WAL.Max = 0
	}
}

// leaves gives the first byte of branch of that branch on does not share. The
// second result is false where there is no such byte, or none that is known.
func leaves(bs pg.Branches, of, on pg.BranchID) (pg.LSN, bool) {
	cut, rel := bs.Cut(of, on)
	switch rel {
	case pg.Ancestor:
		return cut, true
	case pg.Stranger:
	default:
		return 0, false
	}
	b, _ := bs.Of(of)
	for range bs {
		if b.Parent == 0 {
			return 0, false
		}
		mine, mineRel := bs.Cut(b.Parent, of)
		theirs, rel := bs.Cut(b.Parent, on)
		switch {
		case mineRel != pg.Ancestor || rel == pg.Unknown:
			return 0, false
		case rel == pg.Same:
			return mine, true
		case rel == pg.Ancestor:
			return min(mine, theirs), true
		}
		b, _ = bs.Of(b.Parent)
	}
	return 0, false
}
