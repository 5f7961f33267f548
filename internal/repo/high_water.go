package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// raise makes the statements that raise the high-water marks of the branches
// to the last commit of each.
func (s *Stream) raise(commits []txn.Commit) string {
	var last []*txn.Commit
	for i := range commits {
		c := &commits[i]
		at := slices.IndexFunc(last, func(l *txn.Commit) bool { return l.Branch == c.Branch })
		switch {
		case at < 0:
			last = append(last, c)
		case c.LSN > last[at].LSN:
			last[at] = c
		}
	}
	var b strings.Builder
	for _, c := range last {
		fmt.Fprintf(&b, `insert into pgrpo.high_water as h (run, slot, branch, lsn, end_lsn, worker, seq)
			values (%d, %d, %d, '%v', '%v', %d, %d)
			on conflict (run, slot, branch) do update set lsn = excluded.lsn, end_lsn = excluded.end_lsn,
				worker = excluded.worker, seq = excluded.seq where excluded.lsn > h.lsn;`,
			s.run, s.number, c.Branch, c.LSN, c.End, c.Worker, c.Seq)
	}
	return b.String()
}

// HighWater returns start and end of the stored commit with the greatest
// position on the branch, zeros if there is none: what starts at or below it
// is a resend, unless it lies in a recorded gap.
func (s *Stream) HighWater(ctx context.Context, branch pg.BranchID) (start, end pg.LSN, err error) {
	_, start, end, err = s.highWater(ctx, branch)
	return start, end, err
}

// LastMarker returns the attempt whose commit has the greatest stored position
// on the branch, and its start; false if there is none.
func (s *Stream) LastMarker(ctx context.Context, branch pg.BranchID) (txn.ID, pg.LSN, bool, error) {
	id, start, _, err := s.highWater(ctx, branch)
	return id, start, err == nil && id.Seq != 0, err
}

func (s *Stream) highWater(ctx context.Context, branch pg.BranchID) (id txn.ID, start, end pg.LSN, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	id.Run = s.run
	err = s.repo.pool.QueryRow(ctx, `
		select h.worker, h.seq, h.lsn, h.end_lsn from pgrpo.high_water h join pgrpo.progress p on p.run = h.run and p.number = h.slot
		where h.run = $1 and h.branch = $2 and p.slot = $3`, s.run, branch, s.slot).
		Scan(&id.Worker, &id.Seq, (*lsn)(&start), (*lsn)(&end))
	if errors.Is(err, pgx.ErrNoRows) {
		return txn.ID{}, 0, 0, nil
	}
	if err != nil {
		return txn.ID{}, 0, 0, s.failed("read high-water mark", err)
	}
	return id, start, end, nil
}

// Positions streams the stored commits of the stream that start from from to
// below to on the branch, by position. An error ends the stream.
func (s *Stream) Positions(ctx context.Context, branch pg.BranchID, from, to pg.LSN) iter.Seq2[txn.Commit, error] {
	return stream(ctx, s.repo, fmt.Sprintf("read commits from %v to %v on branch %d", from, to, branch), decodeCommit,
		selectCommit+" where run = $1 and slot = $2 and branch = $3 and lsn >= $4 and lsn < $5 order by lsn, xid::text::bigint",
		s.run, s.number, branch, lsn(from), lsn(to))
}
