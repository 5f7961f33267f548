package repo

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func queueStall(batch *pgx.Batch, run txn.Run, driver txn.Driver, s txn.Stall) {
	batch.Queue("insert into pgrpo.stall (run, driver, from_ns, to_ns, cause) values ($1, $2, $3, $4, $5)",
		run, driver, int64(s.From), int64(s.To), s.Cause)
}

// Stalls streams the stalls of a driver by their beginning. An error ends the
// stream.
func (r *Repo) Stalls(ctx context.Context, run txn.Run, driver txn.Driver) iter.Seq2[txn.Stall, error] {
	return stream(ctx, r, fmt.Sprintf("read stalls of driver %d", driver), decodeStall,
		"select from_ns, to_ns, cause from pgrpo.stall where run = $1 and driver = $2 order by from_ns, to_ns", run, driver)
}

func decodeStall(raw [][]byte) (s txn.Stall, err error) {
	f := fields{raw: raw}
	s.From, s.To, s.Cause = time.Duration(f.int64()), time.Duration(f.int64()), string(f.bytes())
	if f.bad {
		return txn.Stall{}, errRow
	}
	return s, nil
}
