package compare

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// ackedCommit is the last acked commit of one branch that a worker's stream
// showed.
type ackedCommit struct {
	pg.Position
	seq txn.Seq
}

// byContent finds what is wrong with the commits that the stream showed of an
// attempt: their order, their content, and their number.
func (w *walk) byContent(s *sight) error {
	if len(s.commits) == 0 {
		return nil
	}
	if err := w.order(s); err != nil {
		return err
	}
	for i := range s.heard {
		if c := &s.heard[i]; c.Seen < c.Ops {
			if err := w.find(CaptureTorn, s, fmt.Sprintf("%d of %d changes came", c.Seen, c.Ops)); err != nil {
				return err
			}
			break
		}
	}
	if why := w.mismatch(s); why != "" {
		return w.find(CaptureMismatch, s, why)
	}
	return nil
}

// otherContent tells whether two commits of one attempt at one position differ in
// anything but the time of the commit.
func otherContent(a, b *txn.Commit) bool {
	if a.Branch != b.Branch || a.LSN != b.LSN {
		return false
	}
	same := *a
	same.CommittedAt = b.CommittedAt
	return same != *b
}

// sameRecord tells whether two commits of one attempt are one record, delivered
// on two branches. Where one of the branches left the other is not known, so
// that capture began at the start again and could not tell that the record is
// of both.
func (j *judge) sameRecord(a, b *txn.Commit) bool {
	if a.LSN != b.LSN || a.End != b.End || a.Xid != b.Xid || a.Ops != b.Ops || a.Sum != b.Sum {
		return false
	}
	_, one := j.facts.Branches.Cut(a.Branch, b.Branch)
	_, other := j.facts.Branches.Cut(b.Branch, a.Branch)
	return one == pg.Unknown && other == pg.Unknown
}

// order finds a commit that came before one that was acked before it was sent:
// before the last such on its branch, or on one that left it further on.
// Positions that are not in one line have no order.
func (w *walk) order(s *sight) error {
	c, sent := &s.commits[0], s.account <= Failed
	if len(s.commits) > 1 || !sent {
		return nil
	}
	at := pg.Position{Branch: c.Branch, LSN: c.LSN}
	at.Branch = w.facts.Branches.Owner(at)
	for i := range w.ordered {
		if n := &w.ordered[i]; w.precedes(at, n.Position) {
			if err := w.find(CaptureDisorder, s, fmt.Sprintf("it came before seq %d, which was acknowledged before this was sent", n.seq)); err != nil {
				return err
			}
			break
		}
	}
	if !s.isAck() {
		return nil
	}
	i := slices.IndexFunc(w.ordered, func(n ackedCommit) bool { return n.Branch == at.Branch })
	if i < 0 {
		i = len(w.ordered)
		w.ordered = append(w.ordered, ackedCommit{})
	}
	w.ordered[i] = ackedCommit{at, s.id.Seq}
	return nil
}

// precedes tells whether a commit is known to lie at or before another.
func (w *walk) precedes(at, n pg.Position) bool {
	if at.Branch == n.Branch {
		return at.LSN <= n.LSN
	}
	cut, rel := w.facts.Branches.Cut(at.Branch, n.Branch)
	return rel == pg.Ancestor && at.LSN < cut
}

// mismatch says what contradicts itself in what came of an attempt, or nothing.
func (w *walk) mismatch(s *sight) string {
	for i := range s.heard {
		c := &s.heard[i]
		switch {
		case c.Seen > c.Ops:
			return fmt.Sprintf("%d changes came, the marker promises %d", c.Seen, c.Ops)
		case c.Seen == c.Ops && c.SeenSum != c.Sum:
			return "the changes that came are not those that the marker promises"
		case s.marker == pg.Present && (s.found.Ops != c.Ops || s.found.Sum != c.Sum):
			return "the marker that came is not the one on the survivor"
		case slices.ContainsFunc(s.heard[:i], func(o txn.Commit) bool { return otherContent(&o, c) }):
			return "it came again at its position with other content"
		}
	}
	if len(s.commits) > 1 && w.twice(s) {
		return fmt.Sprintf("it came at %d positions", len(s.commits))
	}
	return ""
}
