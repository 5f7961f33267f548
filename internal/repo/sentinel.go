package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func queueSentinel(batch *pgx.Batch, run txn.Run, driver txn.Driver, s txn.Sentinel) {
	batch.Queue(insertSentinel, run, s.Number, driver, s.Nonce[:])
}

const insertSentinel = "insert into pgrpo.sentinel (run, number, driver, nonce) values ($1, $2, $3, $4) on conflict do nothing"

// AddSentinel stores the announcement of an end transaction by one who has no
// journal, before it is sent. The observer is its number as in
// [Repo.AddContact]. An announcement that is stored already is left as it is.
func (r *Repo) AddSentinel(ctx context.Context, run txn.Run, observer int32, s txn.Sentinel) error {
	_, err := r.exec(ctx, fmt.Sprintf("add sentinel %d of run %d", s.Number, run), insertSentinel, run, s.Number, observer, s.Nonce[:])
	return err
}

// Sentinels returns the end transactions that were announced, by number.
func (r *Repo) Sentinels(ctx context.Context, run txn.Run) ([]txn.Sentinel, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, "select number, nonce from pgrpo.sentinel where run = $1 order by number, driver", run)
	found, err := collect(rows, err, func(row pgx.CollectableRow) (s txn.Sentinel, err error) {
		var nonce []byte
		err = row.Scan(&s.Number, &nonce)
		copy(s.Nonce[:], nonce)
		return s, err
	})
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read sentinels of run %d", run), err)
	}
	return found, nil
}
