package pgoutput

import "time"

// Timestamp is a moment as PostgreSQL's timestamptz holds it: microseconds since
// 2000-01-01 00:00:00 UTC, by the clock of the server that sent it.
type Timestamp int64

// epochUnix is PostgreSQL's epoch in seconds since that of Unix.
const epochUnix = 946_684_800

// Time is the same moment in UTC. No value overflows.
func (t Timestamp) Time() time.Time {
	const perSecond = 1_000_000
	return time.Unix(epochUnix+int64(t)/perSecond, int64(t)%perSecond*1000).UTC()
}
