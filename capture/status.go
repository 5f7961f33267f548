package capture

import (
	"encoding/binary"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// statusFrame is a standby status update as CopyData, in the form of the
// streaming replication protocol: 'd', length, 'r', write, flush and apply
// positions, the client's clock in microseconds since 2000, and whether a reply
// is wanted. It is filled again for each use. It stands here because the usual
// library writes the received position as flushed where none is known.
type statusFrame [39]byte

const microsecondsTo2000 = 946_684_800_000_000

// replyWanted asks the server to answer a status update.
type replyWanted byte

const (
	noReply replyWanted = iota
	wantReply
)

func (f *statusFrame) fill(received, durable pg.LSN, now time.Time, reply replyWanted) []byte {
	f[0] = 'd'
	binary.BigEndian.PutUint32(f[1:], uint32(len(f)-1))
	f[5] = 'r'
	binary.BigEndian.PutUint64(f[6:], uint64(received))
	binary.BigEndian.PutUint64(f[14:], uint64(durable))
	binary.BigEndian.PutUint64(f[22:], uint64(durable))
	binary.BigEndian.PutUint64(f[30:], uint64(now.UnixMicro()-microsecondsTo2000))
	f[38] = byte(reply)
	return f[:]
}
