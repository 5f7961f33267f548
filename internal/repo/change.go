package repo

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const copyChange = "copy pgrpo.change (seq, id, lsn, run, worker, xid, idx, crc, slot, kind, raw) from stdin binary"

// The letters of the kinds in the table.
const kindLetters = "?IUD"

// letterOf is the kind's letter; a kind that has none is '?'.
func letterOf(k txn.Kind) byte {
	if int(k) < len(kindLetters) {
		return kindLetters[k]
	}
	return kindLetters[0]
}

// appendChange appends one row of copyChange.
func appendChange(dst []byte, c *txn.Change, slot int16) []byte {
	dst = appendRow(dst, 11)
	dst = appendInt64(dst, int64(c.Seq))
	dst = appendInt64(dst, int64(c.Row))
	dst = appendInt64(dst, int64(c.LSN))
	dst = appendInt32(dst, int32(c.Run))
	dst = appendInt32(dst, int32(c.Worker))
	dst = appendInt32(dst, int32(c.Xid))
	dst = appendInt32(dst, c.Index)
	dst = appendInt32(dst, int32(c.Sum))
	dst = appendInt16(dst, slot)
	dst = appendByte(dst, letterOf(c.Kind))
	return appendBytes(dst, c.Raw)
}

func compareChanges(a, b txn.Change) int {
	return cmp.Or(byAttempt(a.ID, b.ID), cmp.Compare(a.LSN, b.LSN), cmp.Compare(a.Index, b.Index))
}

// decodeChange reads one binary row of Changes. A kind that this version does
// not know is 0, which was never planned.
func decodeChange(raw [][]byte) (c txn.Change, err error) {
	f := fields{raw: raw}
	c.Seq, c.Row, c.LSN = txn.Seq(f.int64()), txn.RowID(f.int64()), pg.LSN(f.int64())
	c.Run, c.Worker = txn.Run(f.int32()), txn.Worker(f.int32())
	c.Xid, c.Index, c.Sum = pg.Xid(f.int32()), f.int32(), txn.Sum(f.int32())
	if k := bytes.IndexByte([]byte(kindLetters), f.byte()); k > 0 {
		c.Kind = txn.Kind(k)
	}
	if b := f.bytes(); len(b) > 0 {
		c.Raw = bytes.Clone(b)
	}
	if f.bad {
		return txn.Change{}, errRow
	}
	return c, nil
}

// Changes streams the captured changes of one stored commit by index.
func (r *Repo) Changes(ctx context.Context, c txn.Commit) iter.Seq2[txn.Change, error] {
	return stream(ctx, r, fmt.Sprintf("read changes of %v", c.ID), decodeChange, `
		select seq, id, lsn, run, worker, xid, idx, crc, kind, raw from pgrpo.change
		where lsn = $1 and run = $2 and worker = $3 and seq = $4 and xid = $5 order by idx`,
		lsn(c.LSN), c.Run, c.Worker, c.Seq, uint32(c.Xid))
}
