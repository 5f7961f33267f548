package slots

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Node is one server at one moment: where its log stands, and its slots.
type Node struct {
	// Name is host:port as it was dialled.
	Name string `json:"name"`
	// Role is primary, standby or unreachable.
	Role string `json:"role"`
	// Err says why nothing, or not all, could be seen.
	Err     string      `json:"error,omitempty"`
	System  pg.SystemID `json:"system_id,string,omitzero"`
	Version int         `json:"server_version_num,omitzero"`
	// Timeline is 0 where the role may not see it. HasHistory says that History
	// was read: it is empty on timeline 1.
	Timeline   pg.Timeline `json:"timeline,omitzero"`
	HasHistory bool        `json:"has_history"`
	History    pg.History  `json:"history,omitempty"`
	// End is the end of the log that is flushed here: what was written on a
	// primary, what was received on a standby; 0 unknown. Replayed is how far
	// a standby shows.
	End      pg.LSN `json:"end_lsn,omitzero"`
	Replayed pg.LSN `json:"replay_lsn,omitzero"`
	// Settings are those that matter to slots, by name, as SHOW gives them; of
	// primary_conninfo only its dbname is kept, under "dbname in primary_conninfo".
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

// Snapshot is all nodes at about one moment.
type Snapshot struct {
	Schema int       `json:"schema_version"`
	Taken  time.Time `json:"taken_at"`
	Nodes  []Node    `json:"nodes"`
	// Consumers are the last durable positions of consumers, by slot, where they
	// were told.
	Consumers map[string]pg.LSN `json:"consumers,omitempty"`
}

// Primary is the only primary among the nodes; ok is false where there is none, or
// more than one.
func (s Snapshot) Primary() (primary Node, ok bool) {
	found := 0
	for _, n := range s.Nodes {
		if n.Role == "primary" {
			primary, found = n, found+1
		}
	}
	return primary, found == 1
}
