package source

import (
	"encoding/binary"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// codec is the binary form of one element of a stream: a head of fixed size
// and, where rest says so of the head, bytes that follow it. All numbers are
// little-endian.
type codec[T any] struct {
	kind   kind
	head   int
	append func([]byte, T) []byte
	rest   func(head []byte) int
	decode func([]byte) (T, error)
}

// cut takes numbers from the front of a head.
type cut struct{ b []byte }

func (c *cut) u32() uint32 {
	v := binary.LittleEndian.Uint32(c.b)
	c.b = c.b[4:]
	return v
}

func (c *cut) u64() uint64 {
	v := binary.LittleEndian.Uint64(c.b)
	c.b = c.b[8:]
	return v
}

func (c *cut) id() txn.ID {
	return txn.ID{Run: txn.Run(c.u32()), Worker: txn.Worker(c.u32()), Seq: txn.Seq(c.u64())}
}

func (c *cut) row() txn.Row {
	return txn.Row{Run: txn.Run(c.u32()), ID: txn.RowID(c.u64()), Seq: txn.Seq(c.u64()), Sum: txn.Sum(c.u32())}
}

func append32[T ~int32 | ~uint32](b []byte, v T) []byte {
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}

func append64[T ~int64 | ~uint64](b []byte, v T) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(v))
}

func appendID(b []byte, id txn.ID) []byte {
	return append64(append32(append32(b, id.Run), id.Worker), id.Seq)
}

func appendRow(b []byte, r txn.Row) []byte {
	return append32(append64(append64(append32(b, r.Run), r.ID), r.Seq), r.Sum)
}

// entryCodec is [txn.Entry]'s own binary form.
func entryCodec() codec[txn.Entry] {
	return codec[txn.Entry]{
		kind: entries, head: txn.EntryBytes,
		append: func(b []byte, e txn.Entry) []byte { return e.Append(b) },
		decode: func(b []byte) (e txn.Entry, err error) { return e, e.Decode(b) },
	}
}

// markerCodec: run 4, worker 4, seq 8, ops 4, sum 4.
func markerCodec() codec[txn.Marker] {
	return codec[txn.Marker]{
		kind: markers, head: 24,
		append: func(b []byte, m txn.Marker) []byte { return append32(append32(appendID(b, m.ID), m.Ops), m.Sum) },
		decode: func(b []byte) (txn.Marker, error) {
			c := cut{b}
			return txn.Marker{ID: c.id(), Ops: int32(c.u32()), Sum: txn.Sum(c.u32())}, nil
		},
	}
}

// commitCodec: run 4, worker 4, seq 8, branch 4, lsn 8, end 8, committed at in
// seconds 8 and nanoseconds 4, xid 4, ops 4, sum 4, seen 4, sum of the seen 4.
func commitCodec() codec[txn.Commit] {
	return codec[txn.Commit]{
		kind: commits, head: 68,
		append: func(b []byte, m txn.Commit) []byte {
			b = append64(append64(append32(appendID(b, m.ID), m.Branch), m.LSN), m.End)
			b = append32(append64(b, m.CommittedAt.Unix()), uint32(m.CommittedAt.Nanosecond()))
			return append32(append32(append32(append32(append32(b, m.Xid), m.Ops), m.Sum), m.Seen), m.SeenSum)
		},
		decode: func(b []byte) (txn.Commit, error) {
			c := cut{b}
			m := txn.Commit{ID: c.id(), Branch: pg.BranchID(c.u32()), LSN: pg.LSN(c.u64()), End: pg.LSN(c.u64())}
			seconds := int64(c.u64())
			m.CommittedAt = time.Unix(seconds, int64(c.u32())).UTC()
			m.Xid, m.Ops, m.Sum = pg.Xid(c.u32()), int32(c.u32()), txn.Sum(c.u32())
			m.Seen, m.SeenSum = int32(c.u32()), txn.Sum(c.u32())
			return m, nil
		},
	}
}

// rowCodec: run 4, id 8, seq 8, sum 4.
func rowCodec() codec[txn.Row] {
	return codec[txn.Row]{
		kind: rows, head: 24, append: appendRow,
		decode: func(b []byte) (txn.Row, error) {
			c := cut{b}
			return c.row(), nil
		},
	}
}

// contentCodec: a row, the length of its payload 4, and the payload.
func contentCodec() codec[txn.Content] {
	return codec[txn.Content]{
		kind: contents, head: 28,
		append: func(b []byte, r txn.Content) []byte {
			return append(append32(appendRow(b, r.Row), uint32(len(r.Payload))), r.Payload...)
		},
		rest: func(head []byte) int { return int(binary.LittleEndian.Uint32(head[24:])) },
		decode: func(b []byte) (txn.Content, error) {
			c := cut{b}
			r := txn.Content{Row: c.row()}
			c.u32()
			r.Payload = c.b
			return r, nil
		},
	}
}
