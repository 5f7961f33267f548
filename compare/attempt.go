package compare

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// judgeAttempt says what became of the attempt in sight.
func (w *walk) judgeAttempt() error {
	s := &w.sight
	if s.id.Worker == txn.SentinelWorker && w.announced[s.id.Seq] {
		return nil
	}
	fate := s.fate()
	w.count(s, fate)
	if err := w.hear(s, fate); err != nil {
		return err
	}
	if err := w.byFate(s, fate); err != nil {
		return err
	}
	if err := w.bySplit(s); err != nil {
		return err
	}
	return w.byStream(s)
}

// count counts what an entry says.
func (j *judge) count(s *sight, fate Fate) {
	a := &j.res.Attempts
	if fate == FateUnknown && s.account != NeverSent {
		j.unknown++
	}
	switch s.account {
	case Acked:
		a.Acked++
		a.Sent++
	case AckedUnreplicated:
		a.Sent++
		if j.c.Acks == StrictAcks {
			a.Acked++
		} else {
			a.Unreplicated++
		}
	case Failed:
		if s.entry.Phase == txn.NotSent {
			a.NotSent++
			return
		}
		a.Failed++
		a.Sent++
	case InDoubt:
		a.Sent++
		a.InDoubt.Total++
		switch fate {
		case TurnedOutCommitted:
			a.InDoubt.Committed++
		case TurnedOutRolledBack:
			a.InDoubt.RolledBack++
		default:
			a.InDoubt.Unresolved++
		}
	}
}

// byFate finds what the marker and the account tell together.
func (w *walk) byFate(s *sight, fate Fate) error {
	switch fate {
	case Kept, TurnedOutCommitted:
		return w.kept(s)
	case Lost, LostWarned:
		return w.loss(s, fate)
	case Phantom:
		return w.find(PhantomTransaction, s, "")
	case Alien:
		// Seqs begin at 1: no account that is missing holds another.
		if w.book.whole || w.allWhole || s.id.Seq < 1 {
			return w.find(AlienRow, s, "")
		}
		w.res.Unattributed++
	}
	return nil
}

// kept makes holes of the attempts lost before on the same connection: a
// session cannot outlive the crash that loses its commits.
func (w *walk) kept(s *sight) error {
	if s.entry.Conn == 0 {
		return nil
	}
	for _, lost := range w.lost {
		lost.Class = Hole
		lost.Text = fmt.Sprintf("a later attempt of the same connection, seq %d, was kept", s.id.Seq)
		if err := w.report(lost); err != nil {
			return err
		}
	}
	w.lost = w.lost[:0]
	return nil
}

func (w *walk) loss(s *sight, fate Fate) error {
	class := LostTransaction
	if fate == LostWarned {
		class = LostUnreplicated
	}
	f := w.finding(class, s, "")
	if s.restored {
		f.Text = "a salvage brought it back"
	}
	w.lose(s, f)
	if err := w.report(f); err != nil {
		return err
	}
	switch {
	case s.log == SaysSurvives:
		return w.find(Hole, s, "the log has its commit record before the fork")
	case s.entry.Conn != 0:
		w.lost = append(w.lost, f)
	}
	return nil
}

// byStream finds what the stream and the marker tell together.
func (w *walk) byStream(s *sight) error {
	switch {
	case s.id.Worker < 0:
		return nil
	case len(s.commits) > 0 && s.marker == pg.Absent:
		w.res.Capture.Lost++
		if err := w.find(CapturedLost, s, ""); err != nil {
			return err
		}
	case len(s.commits) == 0 && s.marker == pg.Present && !s.restored && s.account != NeverSent && w.captureComplete():
		return w.uncaptured(s)
	}
	return w.byContent(s)
}

// uncaptured finds a survivor that the stream did not show, unless it was
// committed before capture began.
func (w *walk) uncaptured(s *sight) error {
	start := w.facts.Capture.Start
	if s.branch != 0 && s.branch == start.Branch && s.max != 0 && s.max <= start.LSN {
		w.res.Capture.Before++
		return nil
	}
	for i := range w.gapLines {
		g := &w.gapLines[i]
		if w.mayLieIn(s, g) {
			g.Transactions++
			if s.branch == 0 {
				return w.find(CaptureGap, s, "where it was committed is not known, it may lie in a recorded gap: "+g.Reason)
			}
			return w.find(CaptureGap, s, "in a recorded gap: "+g.Reason)
		}
	}
	w.res.Capture.Unexplained++
	return w.find(CaptureGap, s, "in no recorded gap")
}

// mayLieIn tells whether the commit record of s can lie in the gap: one of which
// nothing is known may lie in any. A gap is read along the whole line of WAL that
// leads to its branch.
func (w *walk) mayLieIn(s *sight, g *GapCount) bool {
	if s.branch == 0 {
		return true
	}
	inLine, known := w.facts.Branches.Survives(pg.Position{Branch: s.branch, LSN: s.min}, g.Branch)
	return known && inLine && s.min < g.To && (s.max == 0 || s.max > g.From)
}

// twice tells whether an attempt was seen at more positions than it can have
// been committed at.
func (w *walk) twice(s *sight) bool {
	if s.isAck() {
		return true
	}
	survivors := 0
	for i := range s.commits {
		survives, known := w.survives(pg.Position{Branch: s.commits[i].Branch, LSN: s.commits[i].LSN})
		if survives || !known {
			survivors++
		}
	}
	return survivors > 1
}

// captureComplete tells whether what the stream did not show was not in it: its
// end came, and an announced end is on the survivor.
func (j *judge) captureComplete() bool {
	c := &j.facts.Capture
	return c.Heard && c.Complete && slices.ContainsFunc(j.facts.SentinelKept, func(k int32) bool {
		return j.announced[txn.Seq(k)]
	})
}
