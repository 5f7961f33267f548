package pg

// ProcessStart names one server process: pg_postmaster_start_time() in
// microseconds since 1970. An address never names a server; this does.
type ProcessStart int64

// Presence is what a look for one row showed. Its zero value is "not looked
// at", which is never counted as present.
type Presence uint8

// The answers of a look.
const (
	NotLooked Presence = iota
	Present
	Absent
)

// String names the presence for logs.
func (p Presence) String() string {
	switch p {
	case Present:
		return "present"
	case Absent:
		return "absent"
	default:
		return "not looked at"
	}
}

// Contact is what one new connection learned of the server behind it. It
// records facts only; which branch the server is on is decided by [Trace] from
// all contacts together.
type Contact struct {
	// Observer and Number name the connection: the driver (or -1 for
	// capture, -2 for the judge) and its own count of connections.
	Observer int32
	Number   uint32
	// At orders the contacts of one run: wall-clock nanoseconds since 1970,
	// as the observer's monotonic clock has them.
	At       int64
	System   SystemID
	Timeline Timeline
	Start    ProcessStart
	// Insert is pg_current_wal_insert_lsn() at connect.
	Insert LSN
	// HasHistory says that History was read; only connections with the
	// right to replicate can.
	HasHistory bool
	History    History
	// Floor is the greatest LSN that the observer knows acked or captured
	// on this (System, Timeline), 0 if none; Marker is what the look for
	// that commit's marker showed on this connection.
	Floor  LSN
	Marker Presence
	// Branch is set where the branch was decided, and stored, before; such
	// a contact is not tested again.
	Branch BranchID
}
