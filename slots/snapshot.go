package slots

import (
	"encoding/json"
	"os"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// The roles of a node. Unreachable is one of which nothing was seen.
const (
	RolePrimary     = "primary"
	RoleStandby     = "standby"
	RoleUnreachable = "unreachable"
)

// Node is one server at one moment: where its log stands, and its slots.
type Node struct {
	// Name is host:port as it was dialled.
	Name string `json:"name"`
	Role string `json:"role"`
	// Err says why nothing could be seen.
	Err     string      `json:"error,omitempty"`
	System  pg.SystemID `json:"system_id,string,omitzero"`
	Version int         `json:"server_version_num,omitzero"`
	// StatsReset is since when the server has its statistics, in microseconds since
	// 1970; 0 unknown.
	StatsReset int64 `json:"stats_reset_us,omitzero"`
	// Timeline is 0 where the role may not see it. HasHistory says that History
	// was read: it is empty on timeline 1.
	Timeline   pg.Timeline `json:"timeline,omitzero"`
	HasHistory bool        `json:"has_history"`
	History    pg.History  `json:"-"`
	// End is the end of the log that is flushed here: what was written on a
	// primary, what was received on a standby; 0 unknown. Replayed is how far
	// a standby shows.
	End      pg.LSN `json:"end_lsn,omitzero"`
	Replayed pg.LSN `json:"replay_lsn,omitzero"`
	// Started names the server's process, and Tail is the end of its log; nil where
	// it was not read.
	Started pg.ProcessStart `json:"started_us,omitzero"`
	Tail    *Tail           `json:"log_tail,omitempty"`
	// Settings are those that matter to slots, by name, as SHOW gives them; of
	// primary_conninfo only its dbname is kept, see [node.UpstreamDatabase].
	Settings map[string]string `json:"settings,omitempty"`
	// Syncing says that a worker of the standby synchronizes slots.
	Syncing bool `json:"slot_sync_running,omitempty"`
	// Unseen is what the role may not see, in words.
	Unseen []string  `json:"unseen,omitempty"`
	Slots  []pg.Slot `json:"slots"`
}

// Slot finds the node's slot by name.
func (n Node) Slot(name string) (pg.Slot, bool) {
	for _, s := range n.Slots {
		if s.Name == name {
			return s, true
		}
	}
	return pg.Slot{}, false
}

// step is a line of a history as a snapshot has it.
type step struct {
	Parent pg.Timeline `json:"parent"`
	Fork   pg.LSN      `json:"fork_lsn"`
	Reason string      `json:"reason"`
}

type bareNode Node

// slotJSON is a slot with what its node tells of it.
type slotJSON struct {
	pg.Slot
	Lag      *int64 `json:"lag_bytes"`
	Retained *int64 `json:"retained_bytes"`
}

type nodeJSON struct {
	bareNode
	History []step     `json:"history,omitempty"`
	Slots   []slotJSON `json:"slots"`
}

// Lag is how many bytes of the node's log a slot's consumer has not confirmed; it
// is negative for a slot that is confirmed past the end. Nil is unknown.
func (n Node) Lag(s pg.Slot) *int64 { return n.since(s.Confirmed) }

// Retained is how many bytes of the node's log are kept for a slot; nil is unknown.
func (n Node) Retained(s pg.Slot) *int64 { return n.since(s.Restart) }

func (n Node) since(l pg.LSN) *int64 {
	if l == 0 || n.End == 0 {
		return nil
	}
	bytes := int64(n.End - l)
	return &bytes
}

// MarshalJSON writes the history with the keys of pgrpo's reports, and adds to each
// slot what is computed of it.
func (n Node) MarshalJSON() ([]byte, error) {
	out := nodeJSON{bareNode: bareNode(n), Slots: []slotJSON{}}
	for _, s := range n.Slots {
		out.Slots = append(out.Slots, slotJSON{s, n.Lag(s), n.Retained(s)})
	}
	for _, s := range n.History {
		out.History = append(out.History, step{s.Parent, s.End, s.Reason})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what [Node.MarshalJSON] wrote.
func (n *Node) UnmarshalJSON(b []byte) error {
	var in nodeJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*n = Node(in.bareNode)
	for _, s := range in.Slots {
		n.Slots = append(n.Slots, s.Slot)
	}
	for _, s := range in.History {
		n.History = append(n.History, pg.Step{Parent: s.Parent, End: s.Fork, Reason: s.Reason})
	}
	return nil
}

// Schema is the version of a snapshot's JSON form; a later version may add keys
// and never renames one.
const Schema = 1

// Snapshot is all nodes at about one moment. It holds no secret.
type Snapshot struct {
	Schema int       `json:"schema_version"`
	Taken  time.Time `json:"taken_at"`
	Nodes  []Node    `json:"nodes"`
	// Consumers are the last durable positions of consumers, by slot, where they
	// were told.
	Consumers map[string]pg.LSN `json:"consumers,omitempty"`
}

// Load reads a snapshot file. What is wrong with it is an error of kind
// trouble.Refused.
func Load(path string) (Snapshot, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Snapshot{}, trouble.Refuse("read snapshot: %w", err)
	}
	var s Snapshot
	if err := json.Unmarshal(content, &s); err != nil {
		return Snapshot{}, trouble.Refuse("read snapshot %s: it is cut, or no snapshot of slots: %w", path, err)
	}
	if s.Schema != Schema {
		return Snapshot{}, trouble.Refuse("read snapshot %s: its schema_version is %d, this pgrpo knows %d", path, s.Schema, Schema)
	}
	if _, ok := s.Primary(); !ok {
		return Snapshot{}, trouble.Refuse("read snapshot %s: it has no primary, or more than one", path)
	}
	return s, nil
}

// Primary is the only primary among the nodes; ok is false where there is none, or
// more than one.
func (s Snapshot) Primary() (primary Node, ok bool) {
	found := 0
	for _, n := range s.Nodes {
		if n.Role == RolePrimary {
			primary, found = n, found+1
		}
	}
	return primary, found == 1
}

// Node finds a node by name.
func (s Snapshot) Node(name string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Reached tells whether any node answered.
func (s Snapshot) Reached() bool {
	for _, n := range s.Nodes {
		if n.Role != RoleUnreachable {
			return true
		}
	}
	return false
}

// Survivor is the node that took the service over: the only primary, or the one
// that descends from every other that still takes writes; those are zombies. Where
// there is none, the text says why.
func (s Snapshot) Survivor() (survivor Node, why string) {
	var writable []Node
	for _, n := range s.Nodes {
		if n.Role == RolePrimary {
			writable = append(writable, n)
		}
	}
	if len(writable) == 0 {
		return Node{}, "no server that takes writes was seen"
	}
	for i, n := range writable {
		if n.descendsFrom(writable[:i]) && n.descendsFrom(writable[i+1:]) {
			return n, ""
		}
	}
	return Node{}, "several servers take writes, and none descends from the others: " + writable[0].Name + ", " + writable[1].Name
}

func (n Node) descendsFrom(others []Node) bool {
	for _, o := range others {
		if _, known := forkOf(o, n); !known || o.Timeline == n.Timeline {
			return false
		}
	}
	return true
}

// noFork is a fork that nothing lies past.
const noFork = pg.LSN(1<<64 - 1)

// forkOf is where the log of now left that of then, past any position if it is the
// same timeline. Two histories that do not name each other say nothing, and a
// timeline is only the same where it came about in the same way. Whether the
// timeline of another process is the same log, [restarted] and [sameUpTo] tell.
func forkOf(then, now Node) (pg.LSN, bool) {
	if then.Timeline == 0 || now.Timeline == 0 || then.System == 0 || then.System != now.System || !now.HasHistory {
		return 0, false
	}
	if then.Timeline == now.Timeline {
		return noFork, then.HasHistory && then.History.Text() == now.History.Text()
	}
	fork, named := noFork, false
	for i, s := range now.History {
		if s.Parent == then.Timeline {
			named = then.HasHistory && then.History.Text() == now.History[:i].Text()
		}
		if named {
			fork = min(fork, s.End)
		}
	}
	return fork, named
}
