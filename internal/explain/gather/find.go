package gather

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Attempt finds one attempt by its name. One that the run cannot have sent is
// refused.
func (s *Source) Attempt(w txn.Worker, seq txn.Seq) ([]txn.ID, error) {
	r, there := s.reserves[w]
	name := run.RunName(s.evidence.Record.Run)
	if !there {
		return nil, trouble.Refuse("run %s had no worker %d: it had %s", name, w, s.workerText())
	}
	last := r.Upto
	if r.Closed {
		last = r.Used
	}
	if seq < 1 || seq > last {
		return nil, trouble.Refuse("worker %d of run %s never used seq %d: its seqs are 1 to %d", w, name, seq, last)
	}
	return []txn.ID{{Run: s.evidence.Record.Run, Worker: w, Seq: seq}}, nil
}

func (s *Source) workerText() string {
	all := s.workers()
	switch len(all) {
	case 0:
		return "none"
	case 1:
		return fmt.Sprintf("worker %d", all[0])
	default:
		return fmt.Sprintf("%d workers from %d to %d", len(all), all[0], all[len(all)-1])
	}
}

// Xid finds all attempts that a server gave that transaction id, which several
// branches may have used.
func (s *Source) Xid(xid pg.Xid) ([]txn.ID, error) {
	found := make(map[txn.ID]bool)
	for at, err := range s.all() {
		if err != nil {
			return nil, err
		}
		if at.entry.Xid == xid {
			found[at.ID] = true
		}
	}
	for _, w := range s.workers() {
		for c, err := range s.live.Commits(w) {
			if err != nil {
				return nil, err
			}
			if c.Xid == xid {
				found[c.ID] = true
			}
		}
	}
	if len(found) == 0 {
		return nil, trouble.Refuse("no attempt of run %s is known to have had xid %d", run.RunName(s.evidence.Record.Run), xid)
	}
	return sorted(found), nil
}

// LSN finds all attempts whose commit record holds that position, on any branch:
// those that the stream showed there, from the record's first byte to its end, which
// other tools name; and the acknowledged ones that it never showed, whose interval
// reaches over it.
func (s *Source) LSN(at pg.LSN) ([]txn.ID, error) {
	found, shown := make(map[txn.ID]bool), make(map[txn.ID]bool)
	for _, w := range s.workers() {
		for c, err := range s.live.Commits(w) {
			if err != nil {
				return nil, err
			}
			shown[c.ID] = true
			if c.LSN <= at && at <= c.End {
				found[c.ID] = true
			}
		}
	}
	// What was acked before this moment ended at or below the position.
	passed := make(map[line]time.Duration)
	for e, err := range s.all() {
		if err != nil {
			return nil, err
		}
		if e.entry.LSN != 0 && e.entry.LSN <= at && e.entry.Conn != 0 {
			passed[e.line] = max(passed[e.line], e.entry.Sent)
		}
	}
	for e, err := range s.all() {
		if err != nil {
			return nil, err
		}
		open := e.entry.Outcome.IsAck() && e.entry.Conn != 0 && e.line.told() && e.min != 0 && !shown[e.ID]
		if open && e.min <= at && e.entry.End() >= passed[e.line] {
			found[e.ID] = true
		}
	}
	if len(found) == 0 {
		return nil, trouble.Refuse("no attempt of run %s is known to have its commit record at %s", run.RunName(s.evidence.Record.Run), at)
	}
	return sorted(found), nil
}

func sorted(found map[txn.ID]bool) []txn.ID { return slices.SortedFunc(maps.Keys(found), byAttempt) }

func byAttempt(a, b txn.ID) int {
	return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Seq, b.Seq))
}
