package txn

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// EntryBytes is the size of an entry's binary form.
const EntryBytes = 44

// Conn numbers the connections of one driver, from 1. 0 is none.
type Conn uint32

// SQLState is a five-character SQLSTATE; all zero bytes mean none was given.
type SQLState [5]byte

// StateOf makes a SQLState of its text; any text that is not five characters
// long gives none.
func StateOf(code string) SQLState {
	var s SQLState
	if len(code) == len(s) {
		copy(s[:], code)
	}
	return s
}

// String gives the five characters, or nothing.
func (s SQLState) String() string {
	if s == (SQLState{}) {
		return ""
	}
	return string(s[:])
}

// Entry is what a driver's ledger keeps of one attempt. Its binary form is 44
// bytes, little-endian:
//
//	 0  lsn       8   lower bound of the commit's LSN; 0 unknown
//	 8  sent      8   nanoseconds from the driver's start to the first byte
//	16  took      8   nanoseconds from then to the end of the attempt
//	24  late      4   microseconds behind the intended time (open loop)
//	28  xid       4   0 unknown
//	32  conn      4
//	36  state     5   SQLSTATE
//	41  outcome   1
//	42  phase     1
//	43  fault     1
type Entry struct {
	LSN     pg.LSN
	Sent    time.Duration
	Took    time.Duration
	Late    time.Duration
	Xid     pg.Xid
	Conn    Conn
	State   SQLState
	Outcome Outcome
	Phase   Phase
	Fault   Fault
}

// End is the moment, since the driver's start, at which the outcome was known.
func (e Entry) End() time.Duration { return e.Sent + e.Took }

// Append appends the binary form. Lateness saturates at 71 minutes.
func (e Entry) Append(dst []byte) []byte {
	late := min(max(e.Late.Microseconds(), 0), 1<<32-1)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.LSN))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Sent))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Took))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(late))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Xid))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Conn))
	dst = append(dst, e.State[:]...)
	return append(dst, byte(e.Outcome), byte(e.Phase), byte(e.Fault))
}

// Decode reads the binary form. An outcome that this version does not know is
// an error, never a guess.
func (e *Entry) Decode(b []byte) error {
	if len(b) < EntryBytes {
		return fmt.Errorf("decode entry: %d bytes, want %d", len(b), EntryBytes)
	}
	if Outcome(b[41]) > Failed {
		return fmt.Errorf("decode entry: unknown outcome %d", b[41])
	}
	e.LSN = pg.LSN(binary.LittleEndian.Uint64(b[0:]))
	e.Sent = time.Duration(binary.LittleEndian.Uint64(b[8:]))
	e.Took = time.Duration(binary.LittleEndian.Uint64(b[16:]))
	e.Late = time.Duration(binary.LittleEndian.Uint32(b[24:])) * time.Microsecond
	e.Xid = pg.Xid(binary.LittleEndian.Uint32(b[28:]))
	e.Conn = Conn(binary.LittleEndian.Uint32(b[32:]))
	copy(e.State[:], b[36:41])
	e.Outcome, e.Phase, e.Fault = Outcome(b[41]), Phase(b[42]), Fault(b[43])
	return nil
}
