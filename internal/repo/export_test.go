package repo

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// SetWait sets how long a stream waits for the server.
func (r *Repo) SetWait(d time.Duration) { r.wait = d }

// Plan is how the repo would run a query, a step a line.
func (r *Repo) Plan(ctx context.Context, sql string) ([]string, error) {
	rows, err := r.pool.Query(ctx, "explain (costs off) "+sql)
	return collect(rows, err, pgx.RowTo[string])
}
