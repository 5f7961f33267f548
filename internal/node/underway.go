package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

const (
	// endingPatience is how long the sessions of a run may take to be gone once
	// their client is.
	endingPatience = 5 * time.Second
	// endingAgain lies between two looks.
	endingAgain = 100 * time.Millisecond
)

// refuseUnderWay refuses while workers, the capture or the judge of a run are connected to
// this database: what they lose their tables to would be taken for a loss of the
// cluster's. Sessions behind a pooler that does not hand on their name are not
// seen.
func refuseUnderWay(ctx context.Context, conn *pgconn.PgConn) error {
	for until := time.Now().Add(endingPatience); ; {
		rows, err := query(ctx, conn, `select application_name || ' of process ' || pid from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^pgrpo/([0-9]+/|(settle|end|judge)$)' order by pid limit 3`)
		if err != nil {
			return fmt.Errorf("list sessions of %s: %w", remote(conn), err)
		}
		if len(rows) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return trouble.Refuse("reset %s: a run goes on there (session %s): wait until it has ended; nothing was dropped",
				remote(conn), strings.Join(firstColumn(rows), ", "))
		}
		select {
		case <-time.After(endingAgain):
		case <-ctx.Done():
			return fmt.Errorf("wait for sessions of %s: %w", remote(conn), context.Cause(ctx))
		}
	}
}
