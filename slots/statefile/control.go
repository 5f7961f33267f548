package statefile

import (
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// State is what a server was doing when it last wrote pg_control.
type State int32

// The states (PostgreSQL pg_control.h, DBState).
const (
	StartingUp State = iota
	ShutDown
	ShutDownInRecovery
	ShuttingDown
	InCrashRecovery
	InArchiveRecovery
	InProduction
)

// String names the state in the words of pg_controldata.
func (s State) String() string {
	names := [...]string{
		"starting up", "shut down", "shut down in recovery", "shutting down", "in crash recovery",
		"in archive recovery", "in production",
	}
	if s >= 0 && int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", int32(s))
}

// Control is what pg_control tells. The checkpoint may lie far before the end of
// the WAL: of a crashed server only the WAL itself knows that end. The timeline is
// the checkpoint's, and that of a fresh primary is still its parent's.
type Control struct {
	// Layout is the versions of PostgreSQL that write such a file.
	Layout   string      `json:"layout"`
	System   pg.SystemID `json:"-"`
	State    State       `json:"-"`
	Modified time.Time   `json:"modified"`
	// Checkpoint is where the record of the last checkpoint starts, Redo where a
	// crash recovery would begin.
	Checkpoint       pg.LSN      `json:"checkpoint"`
	Redo             pg.LSN      `json:"redo"`
	Timeline         pg.Timeline `json:"timeline"`
	PreviousTimeline pg.Timeline `json:"previous_timeline"`
	// NextXid is the full next transaction id, its epoch in the upper half.
	NextXid      uint64    `json:"next_xid"`
	CheckpointAt time.Time `json:"checkpoint_at"`
	// MinRecovery is how far a standby has to replay before it may be read; 0 on
	// a primary.
	MinRecovery         pg.LSN      `json:"min_recovery"`
	MinRecoveryTimeline pg.Timeline `json:"min_recovery_timeline"`
	// SegmentBytes is the size of a WAL file.
	SegmentBytes uint64 `json:"wal_segment_bytes"`
}

// controlBytes is the size of the part of pg_control that any version fills.
const controlBytes = 512

// ParseControl reads the content of global/pg_control, as ControlFileData in
// PostgreSQL's pg_control.h has it. The errors wrap [ErrShort], [ErrUnknown] or
// [ErrChecksum].
func ParseControl(file []byte) (Control, error) {
	if len(file) < controlBytes {
		return Control{}, fmt.Errorf("%w: %d bytes are too few for pg_control", ErrShort, len(file))
	}
	f := fields(file)
	versions, check := "", 288
	switch version := f.u32(8); version {
	case 1300:
		versions = "13 to 16"
	case 1700:
		versions = "17"
	case 1800:
		versions, check = "18", 292
	default:
		return Control{}, fmt.Errorf("%w: pg_control version %d is not one of PostgreSQL 13 to 18", ErrUnknown, version)
	}
	if made, stored := sum(file[:check]), f.u32(check); made != stored {
		return Control{}, fmt.Errorf("%w: %08x is stored, the content has %08x", ErrChecksum, stored, made)
	}
	at := func(place int) time.Time { return time.Unix(int64(f.u64(place)), 0).UTC() }
	return Control{
		Layout: versions, System: pg.SystemID(f.u64(0)), State: State(f.u32(16)), Modified: at(24),
		Checkpoint: pg.LSN(f.u64(32)), Redo: pg.LSN(f.u64(40)),
		Timeline: pg.Timeline(f.u32(48)), PreviousTimeline: pg.Timeline(f.u32(52)),
		NextXid: f.u64(64), CheckpointAt: at(104),
		MinRecovery: pg.LSN(f.u64(136)), MinRecoveryTimeline: pg.Timeline(f.u32(144)),
		SegmentBytes: uint64(f.u32(228)),
	}, nil
}
