package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/slots"
)

// SlotPast is what is known of the run's slot from before the load.
type SlotPast struct {
	// Before is all nodes with that slot, where they have it, just before the
	// load; Why says why there is no such snapshot.
	Before slots.Snapshot
	Why    string
	// Dropped says that an earlier judgement dropped the slot, or may have: that
	// it is not there says nothing then.
	Dropped bool
}

// Slots is the path of the snapshot of the run's slot from before the load.
func (p Place) Slots() string { return filepath.Join(p.Dir, "slots.json") }

// noteSlots keeps what all nodes show of the run's slot. A node that does not
// answer is in the snapshot with the reason.
func (t *trial) noteSlots(ctx context.Context) error {
	if !t.primary.CanReplicate {
		return nil
	}
	s := slots.Survey(ctx, slots.Hosts(append(t.stream.Hosts(), t.config.Standbys...)...))
	for i := range s.Nodes {
		s.Nodes[i].Slots = slices.DeleteFunc(s.Nodes[i].Slots, func(s pg.Slot) bool { return s.Name != t.record.Slot })
	}
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the slots: %w", err)
	}
	if err := WriteFile(t.place.Slots(), append(content, '\n')); err != nil {
		return trouble.Unreachable("keep the slots: %w", err)
	}
	return nil
}

// slotPast reads what is known of the run's slot from before.
func slotPast(p Place) SlotPast {
	past := SlotPast{Dropped: droppedHere(p)}
	var err error
	if past.Before, err = slots.Load(p.Slots()); err != nil {
		past.Why = err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			past.Why = "how it was before the load was not kept"
		}
	}
	return past
}
