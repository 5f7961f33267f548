package slots

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Kind says what changed. Its text is a contract: a run keeps it.
type Kind string

// The kinds of what happens to a node.
const (
	// Watching is the first look at a node.
	Watching Kind = "watching"
	// Away is a node that could not be seen, Back one that is seen again.
	Away Kind = "away"
	Back Kind = "back"
	// Restarted is another server process at the same address.
	Restarted Kind = "restarted"
	// Promoted is a standby that takes writes now, Demoted the contrary.
	Promoted Kind = "promoted"
	Demoted  Kind = "demoted"
	// Moved is another timeline in the same role.
	Moved Kind = "timeline"
)

// The kinds of what happens to a slot.
const (
	Appeared Kind = "appeared"
	Vanished Kind = "vanished"
	// Missing is a slot of the old primary that the new one does not have.
	Missing Kind = "missing"
	// Remade is a slot that was dropped and made again under its name.
	Remade Kind = "remade"
	// Jumped is a slot that was moved on, and nobody is known to have read what
	// lies between.
	Jumped Kind = "jumped"
	// Rewound is a slot that went back.
	Rewound Kind = "rewound"
	// Poisoned is a slot that is confirmed past the end of the log.
	Poisoned Kind = "poisoned"
	// Lost is a slot that the server gave up.
	Lost      Kind = "lost"
	WALStatus Kind = "wal_status"
	// Persistent is a slot that was temporary, and stays now.
	Persistent  Kind = "persistent"
	FailoverSet Kind = "failover"
	SyncedSet   Kind = "synced"
	TwoPhaseSet Kind = "two_phase"
	Active      Kind = "active"
	Inactive    Kind = "inactive"
)

// Weight says what a change means for the consumers of a slot. Its zero value says
// that it cannot be told.
type Weight uint8

// The weights.
const (
	Doubt Weight = iota
	Note
	Bad
)

// String names the weight.
func (w Weight) String() string { return [...]string{"doubt", "note", "bad"}[w] }

// MarshalText writes the name.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what [Weight.MarshalText] wrote.
func (w *Weight) UnmarshalText(text []byte) error {
	for _, known := range []Weight{Doubt, Note, Bad} {
		if known.String() == string(text) {
			*w = known
			return nil
		}
	}
	return fmt.Errorf("weight %q: want doubt, note or bad", text)
}

// Change is what happened to a node, or to one of its slots, between two looks. It
// has a JSON form, which adds keys and never renames one.
type Change struct {
	// At is the time of the later look.
	At time.Time `json:"at"`
	// Node and Role are those of the later look.
	Node string `json:"node"`
	Role string `json:"role"`
	// Slot is empty for what happened to the node.
	Slot   string `json:"slot,omitempty"`
	Kind   Kind   `json:"change"`
	Weight Weight `json:"weight"`
	// Text says it in words.
	Text string `json:"text"`
	// Timeline and End are where the node's log stands; 0 unknown.
	Timeline pg.Timeline `json:"timeline,omitzero"`
	End      pg.LSN      `json:"end_lsn,omitzero"`
	// Before and After are the slot's row; nil if it was not there.
	Before *pg.Slot `json:"before,omitempty"`
	After  *pg.Slot `json:"after,omitempty"`
}

// Conclude says whether all that was watched is well: no, if anything bad was
// seen; unknown, if anything could not be told; yes of something only.
func Conclude(seen ...Weight) Answer {
	switch {
	case slices.Contains(seen, Bad):
		return No
	case len(seen) == 0 || slices.Contains(seen, Doubt):
		return Untold
	default:
		return Yes
	}
}
