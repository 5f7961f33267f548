package compare

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Split is one pair of servers that both acknowledged as the primary: Old went
// on after New had taken over.
type Split struct {
	Old, New Server
	// From is when the first ack of New was there, and To when the last ack of
	// Old came that was asked for after it. Both are by the clock of the driver
	// that has the ack of Old.
	From, To time.Time
	// Acks counts the attempts that were sent past From and acked by Old, each
	// for one pair only, and OnlyOnOld those of them that are not on the
	// survivor, which says nothing unless the survivor is proven.
	Acks, OnlyOnOld int64
	// Advisory says that the clocks of the drivers do not prove the order: then
	// nothing was found.
	Advisory bool
}

// Server is one server process on a branch. Address is one at which the run
// reached it, empty where that is not known; it names no server.
type Server struct {
	Address  string
	Branch   pg.BranchID
	Timeline pg.Timeline
	Start    pg.ProcessStart
}

// String names the server for people.
func (s Server) String() string {
	name := s.Address
	if name == "" {
		name = "a server"
	}
	name += fmt.Sprintf(" (timeline %d, branch %d", s.Timeline, s.Branch)
	if s.Start != 0 {
		name += ", process of " + time.UnixMicro(int64(s.Start)).UTC().Format("2006-01-02 15:04:05.000000")
	}
	return name + ")"
}

// bySplit finds an ack that a server gave after another one had taken over.
func (w *walk) bySplit(s *sight) error {
	if !s.isAck() || s.entry.Conn == 0 {
		return nil
	}
	sent := s.entry.Sent
	switch sure, maybe := w.rivals.sure, w.rivals.maybe; {
	case sure != nil && sent > sure.after:
		split := w.overlap(s, sure, surelyAfter)
		return w.find(SplitBrain, s, fmt.Sprintf("acknowledged by %s, and sent %v after the first ack of %s was there",
			split.Old, sent-sure.from, split.New))
	case maybe != nil && sent > maybe.after:
		w.overlap(s, maybe, maybeAfter)
	}
	return nil
}

// splitKey names a pair of servers.
type splitKey struct {
	old, by server
	order   certainty
}

// overlap counts an ack that the pair's older server gave.
func (w *walk) overlap(s *sight, by *rival, order certainty) *Split {
	key := splitKey{server{w.branch, w.start}, by.server, order}
	split := w.splits[key]
	if split == nil {
		split = &Split{Old: w.show(key.old), New: w.show(key.by), Advisory: order != surelyAfter}
		w.splits[key] = split
	}
	if from := w.book.zero.Add(by.from); split.From.IsZero() || from.Before(split.From) {
		split.From = from
	}
	if s.ackedAt.After(split.To) {
		split.To = s.ackedAt
	}
	split.Acks++
	if s.marker == pg.Absent {
		split.OnlyOnOld++
	}
	return split
}

// show tells all that is known of a server.
func (j *judge) show(s server) Server {
	b, _ := j.facts.Branches.Of(s.branch)
	shown := Server{Branch: s.branch, Timeline: b.Timeline, Start: s.start}
	for _, d := range j.facts.Drivers {
		for _, c := range d.Connections {
			if c.Address != "" && c.Start == s.start && j.branchOf(d.ID, c.Conn()) == s.branch {
				shown.Address = c.Address
				return shown
			}
		}
	}
	return shown
}

// splitBrains lists the pairs by time. Of a pair that is proven, what the clocks
// leave open is of no interest.
func (j *judge) splitBrains() []Split {
	var all []Split
	for key, split := range j.splits {
		sure := key
		sure.order = surelyAfter
		if j.splits[sure] == nil || j.splits[sure] == split {
			all = append(all, *split)
		}
	}
	slices.SortFunc(all, func(a, b Split) int {
		return cmp.Or(a.From.Compare(b.From), a.Old.server().compare(b.Old.server()), a.New.server().compare(b.New.server()))
	})
	return all
}

func (s Server) server() server { return server{s.Branch, s.Start} }
