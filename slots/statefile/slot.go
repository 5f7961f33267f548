package statefile

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Persistence is how long a slot lives.
type Persistence int32

// The persistences (PostgreSQL slot.h, ReplicationSlotPersistency).
const (
	// Persistent slots outlive a crash.
	Persistent Persistence = iota
	// Ephemeral slots are being made; a restart drops them.
	Ephemeral
	// Temporary slots end with their session; so does a synced slot that is
	// not ready yet, at promotion.
	Temporary
)

// String names the persistence.
func (p Persistence) String() string {
	names := [...]string{"persistent", "ephemeral", "temporary"}
	if p >= 0 && int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("persistence(%d)", int32(p))
}

// Slot is the content of one state file. A field that the server's version does
// not have is zero.
type Slot struct {
	// Layout is the versions of PostgreSQL that write such a file.
	Layout string `json:"layout"`
	Name   string `json:"name"`
	// Plugin is empty for a physical slot, whose Database is 0.
	Plugin      string      `json:"plugin,omitempty"`
	Database    uint32      `json:"database_oid"`
	Persistence Persistence `json:"-"`
	Xmin        pg.Xid      `json:"xmin"`
	CatalogXmin pg.Xid      `json:"catalog_xmin"`
	// Restart is where decoding begins to read, 0 none; Confirmed is the least
	// start of a commit record that is still to be sent.
	Restart   pg.LSN `json:"restart_lsn"`
	Confirmed pg.LSN `json:"confirmed_flush_lsn"`
	// Invalidation is the view's word for why the server gave the slot up, empty
	// if it did not. Before 16 the file does not say why: it is wal_removed,
	// the only reason there was; InvalidatedAt is Restart as it then was.
	Invalidation  string `json:"invalidation_reason,omitempty"`
	InvalidatedAt pg.LSN `json:"invalidated_at,omitempty"`
	TwoPhase      bool   `json:"two_phase"`
	// TwoPhaseAt is from where prepared transactions are decoded. Version 14
	// stores the position of its making there, whether TwoPhase or not.
	TwoPhaseAt pg.LSN `json:"two_phase_at,omitempty"`
	Failover   bool   `json:"failover"`
	Synced     bool   `json:"synced"`
}

// Logical tells a logical slot from a physical one.
func (s Slot) Logical() bool { return s.Database != 0 }

// ParseSlot reads a state file. The major version of the server tells one
// invalidation of 17 from another of 18; 0 if unknown. The errors wrap [ErrShort],
// [ErrUnknown] or [ErrChecksum].
//
// The layouts are those of ReplicationSlotOnDisk in PostgreSQL's slot.c. The
// version in the file does not tell them apart: version 2 has three.
func ParseSlot(file []byte, major int) (Slot, error) {
	if len(file) < headerBytes {
		return Slot{}, fmt.Errorf("%w: %d bytes are less than the header of a slot's state", ErrShort, len(file))
	}
	f := fields(file)
	if magic := f.u32(0); magic != slotMagic {
		return Slot{}, fmt.Errorf("%w: it begins with %#08x, a slot's state with %#08x", ErrUnknown, magic, uint32(slotMagic))
	}
	version, length := f.u32(8), f.u32(12)
	l, known := layoutOf(version, length)
	if !known {
		return Slot{}, fmt.Errorf("%w: version %d with %d bytes of content is not one of PostgreSQL 13 to 18", ErrUnknown, version, length)
	}
	if len(file) != headerBytes+int(length) {
		return Slot{}, fmt.Errorf("%w: %d bytes, and its header says %d", ErrShort, len(file), headerBytes+int(length))
	}
	if made, stored := sum(file[8:]), f.u32(4); made != stored {
		return Slot{}, fmt.Errorf("%w: %08x is stored, the content has %08x", ErrChecksum, stored, made)
	}
	return l.read(f, major)
}
