package node

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Server names a server process on a timeline.
type Server struct {
	Timeline pg.Timeline
	Start    pg.ProcessStart
}

// Answering names the server that answers on this connection now; a standby is
// on timeline 0. It needs no right and fits into a transaction. Behind a pooler
// only the answer within a transaction holds for the rest of that transaction.
func Answering(ctx context.Context, conn *pgconn.PgConn) (Server, error) {
	r, err := one(ctx, conn, `select case when pg_is_in_recovery() then '0' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end,
 (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint`)
	if err != nil {
		return Server{}, fmt.Errorf("ask who answers on %s: %w", remote(conn), err)
	}
	tl, err := strconv.ParseUint(r.text(), 16, 32)
	r.fail(err)
	s := Server{Timeline: pg.Timeline(tl), Start: pg.ProcessStart(r.number())}
	if r.err != nil {
		return Server{}, fmt.Errorf("ask who answers on %s: %w", remote(conn), r.err)
	}
	return s, nil
}
