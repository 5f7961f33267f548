package writer

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// bulkRows and bulkBytes bound one statement of an attempt that only inserts.
const (
	bulkRows  = 4096
	bulkBytes = 1 << 20
)

// flushBytes is how much of an attempt is gathered before it is written. All
// but huge attempts are one write.
const flushBytes = 1 << 18

// composer writes the messages of an attempt. It belongs to one session and
// reuses its buffers.
type composer struct {
	seed    uint64
	payload int // bytes a row
	all     [shapes]statement
	mode    Statements
	// prepared are the shapes that the server is known to have; parsing are
	// those that this attempt asks it to prepare, in order.
	prepared [shapes]bool
	parsing  []shape

	buf     []byte
	scratch []byte   // payloads
	numbers []byte   // parameters of fixed size
	params  [][]byte // alias the two
	// sent counts the statements, rows those that must return a row.
	sent, rows int
	bind       pgproto3.Bind
}

var binaryFormat = [1]int16{1}

// compose appends the messages of the attempt to the buffer and hands the
// buffer to flush whenever it is large, and at the end. An error is flush's.
func (c *composer) compose(a txn.Attempt, flush func([]byte) error) error {
	c.buf, c.parsing, c.sent, c.rows = c.buf[:0], c.parsing[:0], 0, 0
	whole := c.sum(a)
	if len(a.Ops) > 1 {
		c.add(beginShape, nil)
	}
	for at := 0; at < len(a.Ops); {
		n := 1
		if len(a.Ops) > plan.MixedOps {
			n = min(len(a.Ops)-at, bulkRows, max(1, bulkBytes/max(1, c.payload)))
		}
		c.operations(a, at, n, whole)
		c.rows++
		at += n
		if len(c.buf) > flushBytes {
			if err := flush(c.buf); err != nil {
				return err
			}
			c.buf = c.buf[:0]
		}
	}
	if len(a.Ops) > 1 {
		c.add(commitShape, nil)
	}
	c.buf, _ = (&pgproto3.Sync{}).Encode(c.buf)
	return flush(c.buf)
}

// content is what the operation writes; a delete writes nothing. The bytes are
// valid until the next call.
func (c *composer) content(a txn.Attempt, op txn.Op) []byte {
	// A nil parameter would be a null, so the slice is never nil.
	c.scratch = grow(c.scratch, 1)
	if op.Kind != txn.Delete {
		c.scratch = txn.AppendPayload(c.scratch, c.seed, a.ID, op.ID, c.payload)
	}
	return c.scratch
}

// sum is the checksum that the marker promises: the xor over all changes.
func (c *composer) sum(a txn.Attempt) txn.Sum {
	var s txn.Sum
	for _, op := range a.Ops {
		s ^= txn.SumOf(a.ID, op.ID, op.Kind, c.content(a, op))
	}
	return s
}

// operations adds the statement of n operations from index at on; the first
// one of the attempt carries the marker.
func (c *composer) operations(a txn.Attempt, at, n int, whole txn.Sum) {
	c.numbers, c.params = c.numbers[:0], c.params[:0]
	// The parameters alias the buffer, so it must not move while they are
	// made: 64 bytes hold the fixed-size ones of any statement.
	c.numbers = grow(c.numbers, 64)
	c.int8(int64(a.Seq))
	c.int4(int32(a.Run))
	if at == 0 {
		c.int4(int32(a.Worker))
		c.int4(int32(len(a.Ops)))
		c.int4(int32(whole))
	}
	op := a.Ops[at]
	s := shapeOf(op.Kind)
	if len(a.Ops) > plan.MixedOps {
		s = bulkShape
		ids, sums, payloads := c.arrays(a, a.Ops[at:at+n])
		c.params = append(c.params, ids, sums, payloads)
	} else {
		payload := c.content(a, op)
		c.int8(int64(op.ID))
		switch op.Kind {
		case txn.Insert:
			c.int4(int32(txn.SumOf(a.ID, op.ID, op.Kind, payload)))
			c.params = append(c.params, payload)
		case txn.Update:
			c.int4(int32(txn.SumOf(a.ID, op.ID, op.Kind, payload)))
			c.params = append(c.params, payload)
			c.int8(int64(op.Expect))
		case txn.Delete:
			c.int8(int64(op.Expect))
		}
	}
	if at == 0 {
		s = s.marked()
	}
	c.add(s, c.params)
}

// add appends one statement: Parse where the server does not have it yet, Bind
// and Execute.
func (c *composer) add(s shape, params [][]byte) {
	name := ""
	if c.mode == Prepared {
		name = c.all[s].name
	}
	if name == "" || !c.prepared[s] && !c.parses(s) {
		c.buf, _ = (&pgproto3.Parse{Name: name, Query: c.all[s].sql, ParameterOIDs: c.all[s].types}).Encode(c.buf)
		c.parsing = append(c.parsing, s)
	}
	c.bind.PreparedStatement = name
	c.bind.ParameterFormatCodes = binaryFormat[:]
	c.bind.ResultFormatCodes = binaryFormat[:]
	c.bind.Parameters = params
	c.buf, _ = c.bind.Encode(c.buf)
	c.buf, _ = (&pgproto3.Execute{}).Encode(c.buf)
	c.sent++
}

func (c *composer) parses(s shape) bool {
	for _, p := range c.parsing {
		if p == s {
			return true
		}
	}
	return false
}

func (c *composer) int8(n int64) {
	at := len(c.numbers)
	c.numbers = binary.BigEndian.AppendUint64(c.numbers, uint64(n))
	c.params = append(c.params, c.numbers[at:len(c.numbers):len(c.numbers)])
}

func (c *composer) int4(n int32) {
	at := len(c.numbers)
	c.numbers = binary.BigEndian.AppendUint32(c.numbers, uint32(n))
	c.params = append(c.params, c.numbers[at:len(c.numbers):len(c.numbers)])
}

// arrays are the three parameters of a bulk insert in binary form (PostgreSQL
// arrayfuncs.c, array_send): number of dimensions, null flag, element type,
// length, lower bound, and each element with its length.
func (c *composer) arrays(a txn.Attempt, ops []txn.Op) (ids, sums, payloads []byte) {
	ids = arrayHead(len(ops), oidInt8, 12*len(ops))
	sums = arrayHead(len(ops), oidInt4, 8*len(ops))
	payloads = arrayHead(len(ops), oidText, (4+c.payload)*len(ops))
	for _, op := range ops {
		payload := c.content(a, op)
		ids = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(ids, 8), uint64(op.ID))
		sums = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(sums, 4), uint32(txn.SumOf(a.ID, op.ID, op.Kind, payload)))
		payloads = append(binary.BigEndian.AppendUint32(payloads, uint32(len(payload))), payload...)
	}
	return ids, sums, payloads
}

func arrayHead(n int, elem uint32, size int) []byte {
	b := make([]byte, 0, 20+size)
	for _, v := range []uint32{1, 0, elem, uint32(n), 1} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// grow gives an empty slice with room for n bytes at least.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}
