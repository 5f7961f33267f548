package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	copyCommit   = "copy pgrpo.commit (seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch, slot) from stdin binary"
	selectCommit = "select seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch::int from pgrpo.commit"
)

// appendCommit appends one row of copyCommit.
func appendCommit(dst []byte, c *txn.Commit, slot int16) []byte {
	dst = appendRow(dst, 13)
	dst = appendInt64(dst, int64(c.Seq))
	dst = appendInt64(dst, int64(c.LSN))
	dst = appendInt64(dst, int64(c.End))
	dst = appendTime(dst, c.CommittedAt)
	dst = appendInt32(dst, int32(c.Run))
	dst = appendInt32(dst, int32(c.Worker))
	dst = appendInt32(dst, int32(c.Xid))
	dst = appendInt32(dst, c.Ops)
	dst = appendInt32(dst, int32(c.Sum))
	dst = appendInt32(dst, c.Seen)
	dst = appendInt32(dst, int32(c.SeenSum))
	dst = appendInt16(dst, int16(c.Branch))
	return appendInt16(dst, slot)
}

// errRow says that a binary row is not what was asked for.
var errRow = errors.New("a column has an unexpected width")

// decodeCommit reads one binary row of selectCommit.
func decodeCommit(raw [][]byte) (c txn.Commit, err error) {
	f := fields{raw: raw}
	c.Seq = txn.Seq(f.int64())
	c.LSN, c.End = pg.LSN(f.int64()), pg.LSN(f.int64())
	c.CommittedAt = f.time()
	c.Run, c.Worker = txn.Run(f.int32()), txn.Worker(f.int32())
	c.Xid = pg.Xid(f.int32())
	c.Ops, c.Sum = f.int32(), txn.Sum(f.int32())
	c.Seen, c.SeenSum = f.int32(), txn.Sum(f.int32())
	c.Branch = pg.BranchID(f.int32())
	if f.bad {
		return txn.Commit{}, errRow
	}
	return c, nil
}

func byAttempt(a, b txn.ID) int {
	return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Seq, b.Seq))
}

func compareCommits(a, b txn.Commit) int {
	return cmp.Or(byAttempt(a.ID, b.ID), cmp.Compare(a.LSN, b.LSN))
}

// Commits streams the captured commits of a worker by (seq, lsn), over all
// branches and slots. An error ends the stream.
func (r *Repo) Commits(ctx context.Context, run txn.Run, w txn.Worker) iter.Seq2[txn.Commit, error] {
	return stream(ctx, r, fmt.Sprintf("read commits of worker %d", w), decodeCommit,
		selectCommit+" where run = $1 and worker = $2 order by seq, lsn", run, w)
}
