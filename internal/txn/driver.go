package txn

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Driver numbers the processes of a run. A driver has one journal and one
// monotonic clock.
type Driver int32

// Connection is what a driver learned of one connection of its own. The
// embedded contact has the driver as its observer and Conn as its number.
type Connection struct {
	pg.Contact
	// Address is host:port of the server as the client dialled it.
	Address string
	// Backend is pg_backend_pid().
	Backend int32
	// Version is server_version as the server reports it.
	Version string
	// SyncCommit and SyncStandbys are the settings synchronous_commit and
	// synchronous_standby_names.
	SyncCommit, SyncStandbys string
}

// Conn is the connection's number in its driver.
func (c Connection) Conn() Conn { return Conn(c.Number) }

// Probe is one connect that did not lead to an attempt, or one sample of a
// probe. Times count from the driver's start.
type Probe struct {
	At, Took time.Duration
	Worker   Worker
	Fault    Fault
	State    SQLState
}

// Stall is a stretch in which the driver itself did not run as it should:
// nothing can be said of the service in it.
type Stall struct {
	From, To time.Duration
	Cause    string
}

// Event is something that a driver saw happen to the cluster. At counts from the
// driver's start.
type Event struct {
	At   time.Duration
	Kind string
	// Body is a JSON value.
	Body []byte
}

// SlotLook is a replication slot as a driver saw it. At counts from the driver's
// start.
type SlotLook struct {
	At         time.Duration
	Node, Name string
	// Body is the slot's row as a JSON value.
	Body []byte
}

// Sentinel is one announced end transaction.
type Sentinel struct {
	Number int32
	Nonce  [16]byte
}

// Reserve tells what a driver's account of one worker covers. Upto is the last
// seq that was reserved; Used is the last that was taken, known only once the
// journal was Closed.
type Reserve struct {
	Worker Worker
	Driver Driver
	Upto   Seq
	Used   Seq
	Closed bool
}

// The reasons of a gap that a verdict on its slot hangs on. They are kept in the repo,
// and never change.
const (
	SlotMissing  = "slot missing"
	SlotAhead    = "slot ahead of what was stored"
	SlotPoisoned = "slot confirmed past the end of the log"
)

// Gap is a stretch of a branch that capture cannot have seen: from the last
// stored position to where the stream began again.
type Gap struct {
	Slot     string
	Branch   pg.BranchID
	From, To pg.LSN
	Reason   string
}
