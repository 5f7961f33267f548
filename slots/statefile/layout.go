package statefile

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

const (
	slotMagic   = 0x01051CA1
	headerBytes = 16
)

// layout is one form of a slot's state. All forms begin alike; a place that is 0
// is one that the form does not have.
type layout struct {
	versions                   string
	version, length            uint32
	invalidatedAt, invalidated int
	confirmed, twoPhaseAt      int
	twoPhase, plugin           int
	synced, failover           int
}

func layouts() []layout {
	return []layout{
		{versions: "13", version: 2, length: 168, invalidatedAt: 104, confirmed: 112, plugin: 120},
		{versions: "14, 15", version: 2, length: 184, invalidatedAt: 104, confirmed: 112, twoPhaseAt: 120, twoPhase: 128, plugin: 129},
		{versions: "16", version: 3, length: 184, invalidated: 104, confirmed: 112, twoPhaseAt: 120, twoPhase: 128, plugin: 129},
		{versions: "17, 18", version: 5, length: 184, invalidated: 104, confirmed: 112, twoPhaseAt: 120, twoPhase: 128, plugin: 129,
			synced: 193, failover: 194},
	}
}

func layoutOf(version, length uint32) (layout, bool) {
	for _, l := range layouts() {
		if l.version == version && l.length == length {
			return l, true
		}
	}
	return layout{}, false
}

func (l layout) read(f fields, major int) (Slot, error) {
	s := Slot{
		Layout: l.versions, Name: f.name(16), Database: f.u32(80), Persistence: Persistence(f.u32(84)),
		Xmin: pg.Xid(f.u32(88)), CatalogXmin: pg.Xid(f.u32(92)),
		Restart: pg.LSN(f.u64(96)), Confirmed: pg.LSN(f.u64(l.confirmed)), Plugin: f.name(l.plugin),
	}
	if s.Persistence < Persistent || s.Persistence > Temporary {
		return Slot{}, fmt.Errorf("%w: persistence %d", ErrUnknown, s.Persistence)
	}
	if l.twoPhase != 0 {
		s.TwoPhase, s.TwoPhaseAt = f.truth(l.twoPhase), pg.LSN(f.u64(l.twoPhaseAt))
	}
	if l.failover != 0 {
		s.Failover, s.Synced = f.truth(l.failover), f.truth(l.synced)
	}
	if l.invalidatedAt != 0 {
		s.InvalidatedAt = pg.LSN(f.u64(l.invalidatedAt))
		if s.Restart == 0 && s.InvalidatedAt != 0 {
			s.Invalidation = "wal_removed"
		}
		return s, nil
	}
	var err error
	s.Invalidation, err = reason(f.u32(l.invalidated), l.version, major)
	return s, err
}

// reason is the view's word for a cause of invalidation. 16 and 17 number the
// causes; 18 gives each a bit, in a file of the same version as 17's.
func reason(cause, version uint32, major int) (string, error) {
	numbered := map[uint32]string{0: "", 1: "wal_removed", 2: "rows_removed", 3: "wal_level_insufficient"}
	bits := map[uint32]string{0: "", 1: "wal_removed", 2: "rows_removed", 4: "wal_level_insufficient", 8: "idle_timeout"}
	known := bits
	switch {
	case version < 5 || major == 16 || major == 17:
		known = numbered
	case major == 0 && cause == 3:
		// 18 stores one bit alone, so that this can only be 17's third.
		known = numbered
	}
	word, there := known[cause]
	if !there {
		return "", fmt.Errorf("%w: cause of invalidation %d", ErrUnknown, cause)
	}
	return word, nil
}
