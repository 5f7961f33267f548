package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Latency is how long a server takes to answer a query that does nothing, the
// network included.
type Latency struct{ Least, Median, Greatest time.Duration }

// MeasureLatency asks samples times, one after the other, on an open
// connection.
func MeasureLatency(ctx context.Context, conn *pgconn.PgConn, samples int) (Latency, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	took := make([]time.Duration, 0, samples)
	for range samples {
		begun := time.Now()
		if err := run(ctx, conn, "select 1"); err != nil {
			return Latency{}, fmt.Errorf("measure latency of %s: %w", remote(conn), err)
		}
		took = append(took, time.Since(begun).Round(time.Microsecond))
	}
	slices.Sort(took)
	return Latency{took[0], took[len(took)/2], took[len(took)-1]}, nil
}
