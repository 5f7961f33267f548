package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// ErrOtherJournal says that a journal names a driver whose ledger another
// process began.
var ErrOtherJournal = errors.New("the driver belongs to another process")

// Claim asks for a driver's number and its workers'.
type Claim struct {
	Host string
	Pid  int
	// Shard is this process's place among Shards, from 0. A run that is not
	// divided is shard 0 of 1.
	Shard, Shards int
	// Workers is the number of workers wanted.
	Workers int
}

// ClaimDriver takes the next driver number of the run, from 1, and the next
// Workers worker numbers of the shard: shard + Shards*k, with k from above the
// greatest that the shard ever used. Neither is given out twice.
func (r *Repo) ClaimDriver(ctx context.Context, run txn.Run, c Claim) (driver txn.Driver, workers []txn.Worker, err error) {
	if c.Shards < 1 || c.Shard < 0 || c.Shard >= c.Shards || c.Workers < 1 {
		return 0, nil, fmt.Errorf("claim driver of run %d: shard %d of %d with %d workers: want a shard below their number, and a worker", run, c.Shard, c.Shards, c.Workers)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := lockRun(ctx, tx, run); err != nil {
			return err
		}
		var first int
		err := tx.QueryRow(ctx, `
			select (select coalesce(max(driver), 0) + 1 from pgrpo.driver where run = $1),
				(select coalesce(max((worker - $2) / $3) + 1, 0) from pgrpo.worker
				 where run = $1 and worker >= $2 and (worker - $2) % $3 = 0)`,
			run, c.Shard, c.Shards).Scan(&driver, &first)
		if err != nil {
			return err
		}
		workers = workers[:0]
		for k := range c.Workers {
			workers = append(workers, txn.Worker(c.Shard+c.Shards*(first+k)))
		}
		if _, err := tx.Exec(ctx, "insert into pgrpo.driver (run, driver, pid, shard, host) values ($1, $2, $3, $4, $5)",
			run, driver, c.Pid, c.Shard, c.Host); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into pgrpo.worker (run, worker, driver) select $1, unnest($2::int[]), $3", run, workers, driver)
		return err
	})
	if err != nil {
		return 0, nil, r.failed(fmt.Sprintf("claim driver of run %d", run), err)
	}
	return driver, workers, nil
}

// lockRun makes all who change the shape of the run wait for each other.
func lockRun(ctx context.Context, tx pgx.Tx, run txn.Run) error {
	tag, err := tx.Exec(ctx, "select from pgrpo.run where run = $1 for update", run)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNoRun
	}
	return err
}

// DriverRow is what the repo knows of a driver.
type DriverRow struct {
	Driver txn.Driver
	// Started is the wall clock at the driver's monotonic zero, to the
	// nanosecond; zero until the first part of its journal has come.
	Started time.Time
	// Clock is what was measured of that clock against the repo's.
	Clock txn.ClockBound
	Host  string
	Pid   int
	Shard int
	// Shipped is the end, in the journal, of the last frame that has come.
	Shipped int64
	// Closed says that the journal's end has come: its account is whole.
	Closed bool
}

// Drivers returns the run's drivers in order.
func (r *Repo) Drivers(ctx context.Context, run txn.Run) ([]DriverRow, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, "select driver, started_ns, coalesce(clock_offset, 0), coalesce(clock_error, 0), host, pid, shard, shipped, closed from pgrpo.driver where run = $1 order by driver", run)
	found, err := collect(rows, err, func(row pgx.CollectableRow) (d DriverRow, err error) {
		var started *int64
		err = row.Scan(&d.Driver, &started, &d.Clock.Offset, &d.Clock.Error, &d.Host, &d.Pid, &d.Shard, &d.Shipped, &d.Closed)
		if started != nil {
			d.Started = time.Unix(0, *started)
		}
		return d, err
	})
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read drivers of run %d", run), err)
	}
	return found, nil
}
