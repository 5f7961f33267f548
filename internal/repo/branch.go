package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Branches returns the branches of the run; the one with id n is at n-1.
func (r *Repo) Branches(ctx context.Context, run txn.Run) (pg.Branches, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, `
		select branch, system, timeline, has_history, history, starts, floor, parent, fork, unclear, reason
		from pgrpo.branch where run = $1 order by branch`, run)
	found, err := collect(rows, err, scanBranch)
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read branches of run %d", run), err)
	}
	for i, b := range found {
		if int(b.ID) != i+1 {
			return nil, fmt.Errorf("read branches of run %d in repo %s: branch %d stands where %d is due", run, r.name, b.ID, i+1)
		}
	}
	return found, nil
}

func scanBranch(row pgx.CollectableRow) (b pg.Branch, err error) {
	var system int64
	var history string
	err = row.Scan(&b.ID, &system, &b.Timeline, &b.HasHistory, &history, &b.Starts, (*lsn)(&b.Floor), &b.Parent, (*lsn)(&b.Fork), &b.Unclear, &b.Reason)
	if err != nil {
		return pg.Branch{}, err
	}
	b.System = pg.SystemID(system)
	b.History, err = pg.ParseHistory(history)
	return b, err
}

// SaveBranches stores the branches of the run, and which of them each of the
// contacts was found on, in one transaction. A branch that is stored keeps its
// number: one with another system or timeline under the same number is an
// error, as from an observer that decided without what the others had stored.
func (r *Repo) SaveBranches(ctx context.Context, run txn.Run, branches pg.Branches, decided ...pg.Contact) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := lockRun(ctx, tx, run); err != nil {
			return err
		}
		for _, b := range branches {
			if err := saveBranch(ctx, tx, run, b); err != nil {
				return err
			}
		}
		for _, c := range decided {
			if _, err := tx.Exec(ctx, "update pgrpo.connection set branch = $4 where run = $1 and observer = $2 and number = $3 and branch <> $4",
				run, c.Observer, int64(c.Number), c.Branch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return r.failed(fmt.Sprintf("save branches of run %d", run), err)
	}
	return nil
}

func saveBranch(ctx context.Context, tx pgx.Tx, run txn.Run, b pg.Branch) error {
	starts := make([]int64, len(b.Starts))
	for i, s := range b.Starts {
		starts[i] = int64(s)
	}
	tag, err := tx.Exec(ctx, `
		insert into pgrpo.branch as b (run, branch, system, timeline, has_history, history, starts, floor, parent, fork, unclear, reason)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (run, branch) do update set has_history = excluded.has_history, history = excluded.history,
			starts = excluded.starts, floor = greatest(b.floor, excluded.floor), parent = excluded.parent,
			fork = excluded.fork, unclear = excluded.unclear, reason = excluded.reason
		where b.system = excluded.system and b.timeline = excluded.timeline`,
		run, b.ID, int64(b.System), int64(b.Timeline), b.HasHistory, b.History.Text(), starts, lsn(b.Floor), b.Parent, lsn(b.Fork), b.Unclear, b.Reason)
	if err == nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("branch %d is stored with another system or timeline: read the branches again first", b.ID)
	}
	return err
}
