package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// CommitWorkers returns all workers of which the run's streams showed commits,
// whoever they are. It descends the index once for each worker, however many
// commits there are.
func (r *Repo) CommitWorkers(ctx context.Context, run txn.Run) ([]txn.Worker, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, `
		with recursive w as (
			(select worker from pgrpo.commit where run = $1 order by worker limit 1)
			union all
			select (select c.worker from pgrpo.commit c where c.run = $1 and c.worker > w.worker order by c.worker limit 1)
			from w where w.worker is not null)
		select worker from w where worker is not null`, run)
	found, err := collect(rows, err, pgx.RowTo[txn.Worker])
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read the workers with commits of run %d", run), err)
	}
	return found, nil
}
