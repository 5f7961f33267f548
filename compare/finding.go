package compare

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Ops counts the operations of attempts, without their markers.
type Ops struct {
	Inserts, Updates, Deletes int64
	// PayloadBytes is what the inserts and updates wrote.
	PayloadBytes int64
}

// Rows is the number of operations.
func (o Ops) Rows() int64 { return o.Inserts + o.Updates + o.Deletes }

func (o *Ops) add(p Ops) {
	o.Inserts += p.Inserts
	o.Updates += p.Updates
	o.Deletes += p.Deletes
	o.PayloadBytes += p.PayloadBytes
}

// Finding is one broken promise, or one oddity, with all that is known of the
// attempt.
type Finding struct {
	Class Class
	txn.ID
	// Row is the key that is wrong, 0 for a finding of a whole transaction. ID is
	// then the attempt whose row it is or should be, and of the fields below
	// only Text is known.
	Row txn.RowID
	// Account is what the client knew of it.
	Account Account
	// Branch is where it was acked or captured; 0 unknown. Timeline goes with
	// it.
	Branch   pg.BranchID
	Timeline pg.Timeline
	// Xid is 0 where neither the client nor the stream told it.
	Xid pg.Xid
	// LSN is the start of the commit record, where the stream showed it; 0
	// otherwise. Min and Max bound the record: it starts at or past Min and
	// ends at or before Max; 0 is unknown.
	LSN, Min, Max pg.LSN
	// AckedAt is when the client had the ack; zero where there was none.
	AckedAt time.Time
	// Ops is what the attempt was to do, where the account tells.
	Ops Ops
	// Text says in words what is wrong, beyond what the class says.
	Text string
}
