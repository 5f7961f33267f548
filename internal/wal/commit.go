package wal

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Commit is the end of a transaction that was committed.
type Commit struct {
	// Start and End bound the commit record; its transaction survives on
	// another timeline if that left this one past Start.
	Start, End pg.LSN
	Xid        pg.Xid
	At         time.Time
	// Prepared says that it was committed by COMMIT PREPARED.
	Prepared bool
}

const (
	transactions = 1 // RM_XACT_ID

	opMask         = 0x70
	commit         = 0x00
	commitPrepared = 0x30
	hasInfo        = 0x80

	// The bits that say what a commit record holds (xact.h).
	withDatabase      = 1 << 0
	withSubxacts      = 1 << 1
	withFiles         = 1 << 2
	withInvalidations = 1 << 3
	withTwoPhase      = 1 << 4
	withStats         = 1 << 8

	// The numbers that stand before a part of a record (xlogrecord.h).
	shortData   = 255
	longData    = 254
	origin      = 253
	topLevelXid = 252
)

// Commit reads the record as a commit; ok is false if it is none. Of a record that
// is one and cannot be read, the error says what is wrong.
func (r Record) Commit() (c Commit, ok bool, err error) {
	op := r.Info & opMask
	if r.Manager != transactions || op != commit && op != commitPrepared {
		return Commit{}, false, nil
	}
	c = Commit{Start: r.Start, End: r.End, Xid: r.Xid, Prepared: op == commitPrepared}
	data, err := r.data()
	if err != nil {
		return c, true, err
	}
	d := reader{data}
	c.At = time.UnixMicro(int64(d.u64()) + epoch).UTC()
	if r.Info&hasInfo != 0 && c.Prepared {
		c.Xid = d.preparedXid()
	}
	if d.b == nil {
		return c, true, fmt.Errorf("read the commit record at %s: it is shorter than its parts", r.Start)
	}
	return c, true, nil
}

// epoch is the microseconds from 1970 to 2000, the zero of PostgreSQL's clock.
const epoch = 946684800 * 1e6

// data is the part of the body that belongs to the record's own kind.
func (r Record) data() ([]byte, error) {
	d := reader{r.body}
	for d.b != nil {
		switch part := d.u8(); part {
		case origin:
			d.skip(2)
		case topLevelXid:
			d.skip(4)
		case shortData:
			length := int(d.u8())
			return d.rest(length, r.Start)
		case longData:
			length := int(d.u32())
			return d.rest(length, r.Start)
		default:
			return nil, fmt.Errorf("read the commit record at %s: it has a part %d, which commits do not have", r.Start, part)
		}
	}
	return nil, fmt.Errorf("read the commit record at %s: it has no content", r.Start)
}

// reader takes values from the front of bytes. Past their end it gives zeros, and
// its bytes are nil from then on.
type reader struct{ b []byte }

func (r *reader) skip(n int) []byte {
	if n < 0 || n > len(r.b) || r.b == nil {
		r.b = nil
		return nil
	}
	front := r.b[:n:n]
	r.b = r.b[n:]
	return front
}

func (r *reader) u8() uint8 {
	if b := r.skip(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.skip(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.skip(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// rest gives the last n bytes, and fails if they are not the very rest.
func (r *reader) rest(n int, at pg.LSN) ([]byte, error) {
	if r.b == nil || n != len(r.b) {
		return nil, fmt.Errorf("read the commit record at %s: its content has %d bytes, and says %d", at, len(r.b), n)
	}
	return r.b, nil
}

// preparedXid reads the id of the transaction that was prepared, which stands
// behind all that is listed before it.
func (r *reader) preparedXid() pg.Xid {
	info := r.u32()
	if info&withDatabase != 0 {
		r.skip(8)
	}
	list := func(bit uint32, each int) {
		if info&bit != 0 {
			r.skip(int(int32(r.u32())) * each)
		}
	}
	list(withSubxacts, 4)
	list(withFiles, 12)
	// Statistics came with 15 as bit 8, and stand before the invalidations. Their
	// entries grew from 12 to 16 bytes with 18, so that past them nothing is known.
	if info&withStats != 0 {
		return 0
	}
	list(withInvalidations, 16)
	if info&withTwoPhase == 0 {
		return 0
	}
	return pg.Xid(r.u32())
}
