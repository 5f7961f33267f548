// Package lineage draws the picture of some servers' logs from what each of them
// told: which of them share one log and up to where, where their timelines forked,
// how far each went on by itself, and whether a position is part of a node's
// history. It asks nobody, and concludes nothing across what was not seen.
//
// A timeline's number is no identity. Two nodes are taken to be on one log if
// system, timeline and the whole text of the history are the same, and nothing that
// was seen speaks against it: two servers that both write it, or a follower that is
// past the end of the only one that does.
package lineage

import (
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Role is what a node is, in the words of the report.
type Role string

// The roles. Down is a data directory that was read from its files; Unreachable is
// a node that told nothing.
const (
	Primary     Role = "primary"
	Standby     Role = "standby"
	Down        Role = "down"
	Unreachable Role = "unreachable"
)

// Node is what one node told of itself. What it did not tell is zero.
type Node struct {
	Name   string
	Role   Role
	System pg.SystemID
	// Writes says that the node makes its log itself: a primary, or the files of a
	// server that was one. The others only follow.
	Writes   bool
	Timeline pg.Timeline
	// HasHistory says that History is known; it is empty for timeline 1.
	HasHistory bool
	History    pg.History
	// Insert and Flush are a primary's, Receive and Replay a standby's.
	Insert, Flush, Receive, Replay pg.LSN
	// End is how far the log is on the node's disk: the first byte that is not.
	End          pg.LSN
	SegmentBytes uint64
	Version      string
	Start        pg.ProcessStart
	// Unseen says in words what could not be seen, and why.
	Unseen []string
	// State is what a node that is down did last, in the words of pg_controldata.
	State string
}

// endless is the end of the timeline that a node is on.
const endless = pg.LSN(1<<64 - 1)

// chain is a history with the timeline that it led to as its last step. A node
// that lacks its system, timeline or history has none.
func (n Node) chain() []pg.Step {
	if n.System == 0 || n.Timeline == 0 || !n.HasHistory {
		return nil
	}
	return chainTo(n.History, n.Timeline)
}

func chainTo(h []pg.Step, tl pg.Timeline) []pg.Step {
	return append(slices.Clone(h), pg.Step{Parent: tl, End: endless})
}

// begin is where the timeline of step i begins, 0 for the first.
func begin(chain []pg.Step, i int) pg.LSN {
	if i == 0 {
		return 0
	}
	return chain[i-1].End
}

// reach is the first position that the node's log has not come to. What a primary
// has written counts before it is on disk, and a timeline does not end before it
// began.
func (n Node) reach() pg.LSN {
	if c := n.chain(); c != nil {
		return max(n.End, n.Insert, begin(c, len(c)-1))
	}
	return max(n.End, n.Insert)
}

// Segment is the WAL file that holds the last byte of the node's log, "" where
// timeline or end is not known. The byte is one of the node's own timeline: at the
// very begin of that, the first byte that will come.
func (n Node) Segment() string {
	if n.Timeline == 0 || n.End == 0 || n.SegmentBytes == 0 {
		return ""
	}
	first := pg.LSN(0)
	if len(n.History) > 0 {
		first = n.History[len(n.History)-1].End
	}
	return pg.SegmentName(n.Timeline, max(n.End-1, first), n.SegmentBytes)
}

// Fork is one step of a node's history.
type Fork struct {
	Parent, Timeline pg.Timeline
	// At is the first byte of Timeline, which Parent does not share.
	At     pg.LSN
	Reason string
	// Time is that of the commit at which the recovery stopped, where the reason
	// says so.
	Time time.Time
	// Last is the file of the last byte that is shared, on the parent; First that
	// of the first byte of the new timeline. They are "" if the size of a file is
	// not known.
	Last, First string
}

// Forks are the steps of the node's history, oldest first.
func (n Node) Forks() []Fork {
	var all []Fork
	chain := n.chain()
	for i, s := range n.History {
		if chain == nil {
			break
		}
		f := Fork{Parent: s.Parent, Timeline: chain[i+1].Parent, At: s.End, Reason: s.Reason, Time: timeIn(s.Reason)}
		if n.SegmentBytes != 0 && s.End != 0 {
			f.Last = pg.SegmentName(f.Parent, max(s.End-1, begin(chain, i)), n.SegmentBytes)
			f.First = pg.SegmentName(f.Timeline, s.End, n.SegmentBytes)
		}
		all = append(all, f)
	}
	return all
}
