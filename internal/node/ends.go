package node

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Ends is how far a server's log goes. Insert and Flush are a primary's: what is
// written, and what of it is on disk. Receive and Replay are a standby's; Receive is
// 0 if it never streamed. What the server is not is 0.
type Ends struct {
	Insert, Flush, Receive, Replay pg.LSN
}

// ReadEnds asks for the ends of the log. It needs no right.
func ReadEnds(ctx context.Context, conn *pgconn.PgConn) (Ends, error) {
	r, err := one(ctx, conn, `select case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end,
 case when not pg_is_in_recovery() then pg_current_wal_flush_lsn() end,
 case when pg_is_in_recovery() then pg_last_wal_receive_lsn() end,
 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end`)
	if err != nil {
		return Ends{}, fmt.Errorf("ask %s for the end of its log: %w", remote(conn), err)
	}
	e := Ends{Insert: r.lsn(), Flush: r.lsn(), Receive: r.lsn(), Replay: r.lsn()}
	if r.err != nil {
		return Ends{}, fmt.Errorf("ask %s for the end of its log: %w", remote(conn), r.err)
	}
	return e, nil
}
