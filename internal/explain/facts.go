// Package explain tells the life of one commit: what was planned, what the client
// was told and by whom, where its commit record lies to each fork, who saw it, and
// where it is. It judges nothing anew: the words of the ledger, the stream, the
// histories and the nodes are set side by side, and summed up in one sentence.
//
// The package is pure; its subpackage gather reads the facts.
package explain

import (
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Facts is all that is known of one attempt.
type Facts struct {
	txn.ID
	// Account is what the client knew of it; Entry is zero where there is none.
	Account compare.Account
	Entry   txn.Entry
	// Ops are what it was to do. Unplanned says why that is not known.
	Ops       []txn.Op
	Unplanned string
	// Started is the zero of its driver's clock.
	Started time.Time
	// Server is the connection that it was sent on; nil where none is recorded.
	Server *txn.Connection
	// Branch is that connection's, 0 unknown. Min and Max bound the commit record
	// by what the client was told: it starts at or past Min and ends at or before
	// Max; 0 is unknown.
	Branch   pg.BranchID
	Min, Max pg.LSN
	// Commits are what the stream showed of it, by position.
	Commits []txn.Commit

	Branches pg.Branches
	Survivor Survivor
	Capture  compare.CaptureFacts
	Nodes    []Node
	Findings []Finding
	// SegmentBytes is the size of a WAL file; 0 unknown.
	SegmentBytes uint64
	// Sightings are the commit records that were read in the WAL itself.
	Sightings []Sighting
	// Directory is the data directory that was given, or none.
	Directory string
	// Unseen says what could not be looked at, in words.
	Unseen []string
}

// Survivor is the node that lived on. Branch 0 means that it is not known, and Why
// then says why.
type Survivor struct {
	Name   string
	Branch pg.BranchID
	Why    string
}

// Node is what asking one node showed.
type Node struct {
	Name string `json:"name"`
	// Role is primary, standby or unreachable.
	Role     string      `json:"role"`
	Branch   pg.BranchID `json:"branch,omitzero"`
	Timeline pg.Timeline `json:"timeline,omitzero"`
	// Marker is whether the attempt is on the node; Why says why it could not
	// be looked for.
	Marker   pg.Presence `json:"-"`
	Why      string      `json:"why,omitempty"`
	Survivor bool        `json:"survivor"`
}

// Finding is what the last judgement said of the attempt.
type Finding struct {
	Class string `json:"class"`
	Text  string `json:"text,omitempty"`
}

// Sighting is a commit record that was read in the WAL.
type Sighting struct {
	Branch pg.BranchID `json:"branch"`
	// Source is who read it: pg_walinspect on a node, or the files.
	Source string `json:"source"`
	Start  pg.LSN `json:"lsn"`
	End    pg.LSN `json:"end_lsn"`
	Xid    pg.Xid `json:"xid"`
	// Text is the record's own description, where its reader gives one.
	Text string `json:"description,omitempty"`
}
