package repo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	// clockAsks is how often the repo is asked for the time: the shortest round
	// trip tells most.
	clockAsks = 9
	// clockTime bounds the questions together.
	clockTime = 2 * time.Second
)

// MeasureClock asks the repo for the time, between two looks at the driver's own
// clock, and keeps with the driver how the two stand to each other. What was
// measured before stays covered: the clocks may have drifted apart since. It is
// the driver's word, so only one process may measure it.
func (r *Repo) MeasureClock(ctx context.Context, run txn.Run, driver txn.Driver, now func() time.Time) (txn.ClockBound, error) {
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	what := fmt.Sprintf("measure the clock of driver %d", driver)
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return txn.ClockBound{}, r.failed(what, err)
	}
	defer conn.Release()
	bound, err := askTime(ctx, conn, now)
	if err != nil {
		return txn.ClockBound{}, r.failed(what, err)
	}
	var before txn.ClockBound
	err = conn.QueryRow(ctx, "select coalesce(clock_offset, 0), coalesce(clock_error, 0) from pgrpo.driver where run = $1 and driver = $2",
		run, driver).Scan(&before.Offset, &before.Error)
	if err != nil {
		return txn.ClockBound{}, r.failed(what, err)
	}
	bound = bound.Cover(before)
	_, err = conn.Exec(ctx, "update pgrpo.driver set clock_offset = $3, clock_error = $4 where run = $1 and driver = $2",
		run, driver, int64(bound.Offset), int64(bound.Error))
	if err != nil {
		return txn.ClockBound{}, r.failed(what, err)
	}
	return bound, nil
}

// askTime asks several times and keeps the best answer. The repo looked at its
// clock at some moment between the two looks at the driver's.
func askTime(ctx context.Context, conn *pgxpool.Conn, now func() time.Time) (best txn.ClockBound, err error) {
	for range clockAsks {
		var there int64
		before := now()
		// The repo's time is cut off to microseconds.
		err := conn.QueryRow(ctx, "select (extract(epoch from clock_timestamp()) * 1000000)::bigint").Scan(&there)
		after := now()
		if err != nil {
			return txn.ClockBound{}, err
		}
		half := after.Sub(before) / 2
		bound := txn.ClockBound{Offset: time.UnixMicro(there).Sub(before.Add(half)), Error: half + time.Microsecond}
		if !best.Measured() || bound.Error < best.Error {
			best = bound
		}
	}
	return best, nil
}
