package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// AddGap stores a gap of the stream, whose slot is the stream's. A gap of the
// same branch with the same beginning is widened to the further end. It is an
// [ErrFenced] where another process has loaded the stream since.
func (s *Stream) AddGap(ctx context.Context, g txn.Gap) error {
	return s.fenced(ctx, "add gap to", `
		insert into pgrpo.gap as g (run, slot, branch, from_lsn, to_lsn, reason) values ($1, $2, $3, $4, $5, $6)
		on conflict (run, slot, branch, from_lsn) do update set to_lsn = greatest(g.to_lsn, excluded.to_lsn)`,
		s.run, s.slot, g.Branch, lsn(g.From), lsn(g.To), g.Reason)
}

// ShrinkGap moves the beginning of a stored gap up to the given position, once
// what came up to there is stored; at or past its end the gap is gone. A gap
// that is not stored is no error.
func (s *Stream) ShrinkGap(ctx context.Context, g txn.Gap, from pg.LSN) error {
	if from >= g.To {
		return s.fenced(ctx, "close gap of", "delete from pgrpo.gap where run = $1 and slot = $2 and branch = $3 and from_lsn = $4",
			s.run, s.slot, g.Branch, lsn(g.From))
	}
	return s.fenced(ctx, "shrink gap of", "update pgrpo.gap set from_lsn = $5 where run = $1 and slot = $2 and branch = $3 and from_lsn = $4",
		s.run, s.slot, g.Branch, lsn(g.From), lsn(from))
}

// fenced runs one statement unless another process has loaded the stream.
func (s *Stream) fenced(ctx context.Context, what, sql string, args ...any) error {
	if s.epoch == 0 || s.unsure {
		return s.failed(what, ErrNotLoaded)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.repo.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "select from pgrpo.progress where run = $1 and slot = $2 and epoch = $3 for update", s.run, s.slot, s.epoch)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrFenced
		}
		if err == nil {
			_, err = tx.Exec(ctx, sql, args...)
		}
		return err
	})
	if err != nil {
		return s.failed(what, err)
	}
	return nil
}

const selectGaps = "select slot, branch, from_lsn, to_lsn, reason from pgrpo.gap where run = $1"

// Gaps returns the gaps of the stream by branch and position.
func (s *Stream) Gaps(ctx context.Context) ([]txn.Gap, error) {
	return s.repo.gaps(ctx, s.run, selectGaps+" and slot = $2 order by branch, from_lsn", s.run, s.slot)
}

// Gaps returns the gaps of all streams of the run by slot, branch and position.
func (r *Repo) Gaps(ctx context.Context, run txn.Run) ([]txn.Gap, error) {
	return r.gaps(ctx, run, selectGaps+" order by slot, branch, from_lsn", run)
}

func (r *Repo) gaps(ctx context.Context, run txn.Run, sql string, args ...any) ([]txn.Gap, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, sql, args...)
	found, err := collect(rows, err, func(row pgx.CollectableRow) (g txn.Gap, err error) {
		err = row.Scan(&g.Slot, &g.Branch, (*lsn)(&g.From), (*lsn)(&g.To), &g.Reason)
		return g, err
	})
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read gaps of run %d", run), err)
	}
	return found, nil
}
