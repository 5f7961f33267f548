package txn

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Commit is one transaction as the logical stream showed it.
type Commit struct {
	ID
	// Branch owns the commit: the oldest branch that holds its record.
	Branch pg.BranchID
	// LSN is the start of the commit record, End the byte after it.
	LSN, End    pg.LSN
	CommittedAt time.Time
	Xid         pg.Xid
	// Ops and Sum are what the marker promises; Seen and SeenSum what came.
	Ops     int32
	Sum     Sum
	Seen    int32
	SeenSum Sum
}

// Change is one row change of a captured commit. Index counts the worker
// table's changes of the transaction from 0.
type Change struct {
	ID
	Row   RowID
	LSN   pg.LSN // start of the commit record
	Xid   pg.Xid
	Index int32
	Sum   Sum
	Kind  Kind
	// Raw is the payload, kept only where the checksum does not fit it.
	Raw []byte
}
