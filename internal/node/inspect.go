package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// ErrNoInspector says that the server's own reader of its WAL is not to be had: the
// extension pg_walinspect (15 and newer) is not there, or the role may not use it.
var ErrNoInspector = errors.New("pg_walinspect is not there, or the role may not use it")

// CommitRecord is a commit record as pg_walinspect shows it.
type CommitRecord struct {
	Start, End  pg.LSN
	Description string
}

// InspectCommit looks with pg_walinspect for the commit record of a transaction
// between two positions of the server's own timeline. ok is false where there is
// none. The error wraps [ErrNoInspector] where nobody can look; the extension is
// never made.
func InspectCommit(ctx context.Context, conn *pgconn.PgConn, from, to pg.LSN, xid pg.Xid) (c CommitRecord, ok bool, err error) {
	rows, err := query(ctx, conn, `select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_walinspect'`)
	if err != nil {
		return c, false, fmt.Errorf("look for pg_walinspect on %s: %w", remote(conn), err)
	}
	if len(rows) == 0 {
		return c, false, ErrNoInspector
	}
	rows, err = query(ctx, conn, `select start_lsn, end_lsn, description from `+string(rows[0][0])+`.pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn)
 where resource_manager = 'Transaction' and record_type like 'COMMIT%' and xid = $3::text::xid`, from.String(), to.String(), fmt.Sprint(xid))
	if sqlState(err) == insufficientRight {
		return c, false, fmt.Errorf("%w: %w", ErrNoInspector, err)
	}
	if err != nil {
		return c, false, fmt.Errorf("read the WAL of %s from %s to %s: %w", remote(conn), from, to, err)
	}
	if len(rows) == 0 {
		return c, false, nil
	}
	r := record{cols: rows[0]}
	c = CommitRecord{Start: r.lsn(), End: r.lsn(), Description: r.text()}
	return c, r.err == nil, r.err
}
