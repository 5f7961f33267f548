package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Reserves returns what the drivers' accounts cover, by worker. An account is
// closed where the closed record of its driver tells of it. A worker that
// was claimed and of which nothing has come is among them, with zeros.
func (r *Repo) Reserves(ctx context.Context, run txn.Run) ([]txn.Reserve, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, `
		select w.worker, w.driver, w.reserved, w.used, coalesce(d.closed, false) and w.used is not null
		from pgrpo.worker w left join pgrpo.driver d using (run, driver)
		where w.run = $1 order by w.worker`, run)
	found, err := collect(rows, err, func(row pgx.CollectableRow) (v txn.Reserve, err error) {
		var used *txn.Seq
		err = row.Scan(&v.Worker, &v.Driver, &v.Upto, &used, &v.Closed)
		v.Used = orNone(used)
		return v, err
	})
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read reserves of run %d", run), err)
	}
	return found, nil
}
