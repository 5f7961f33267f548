package node

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Identity is what one connection shows of the server behind it.
type Identity struct {
	// Connection has the facts that a driver records. Its Observer, Number,
	// At, Floor, Marker and Branch are left for the caller to set. System is
	// 0 where the role may not call pg_control_system(); ReadSystem tells it
	// then.
	txn.Connection
	// InRecovery says that the server is a standby. Timeline is then that of
	// its WAL receiver as far as the role may see it, else 0, and Insert the
	// last replayed position.
	InRecovery bool
	// VersionNum is server_version_num, as 150018.
	VersionNum   int
	SegmentBytes uint64
	Database     string
	Role         string
	// ReadOnly is the session's default_transaction_read_only.
	ReadOnly bool
	// Pooled says that a pooler stands between: the process that answers is
	// not the one that the connection began with. What is known of a
	// connection may then hold for one transaction only.
	Pooled bool
}

// identitySQL asks all in one query, so that its answers belong together. The
// WAL functions of a primary fail on a standby and the other way round; CASE
// keeps them apart. The first eight digits of a WAL file name are the timeline
// that the server inserts on; pg_control_checkpoint() is stale after a
// promotion.
const identitySQL = `select pg_is_in_recovery(),
 case when pg_is_in_recovery() then (select to_hex(received_tli) from pg_stat_wal_receiver)
      else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end,
 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end,
 (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint,
 pg_backend_pid(), host(inet_server_addr()), inet_server_port(),
 current_setting('server_version'), current_setting('server_version_num'),
 pg_size_bytes(current_setting('wal_segment_size')),
 current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
 current_setting('default_transaction_read_only'), current_database(), current_user, `

// Identify learns who answers on this connection, in one round trip. Address
// is the one the client dialled.
func Identify(ctx context.Context, conn *pgconn.PgConn) (Identity, error) {
	id, err := identify(ctx, conn, identitySQL+"(select system_identifier from pg_control_system())")
	if sqlState(err) == insufficientRight {
		id, err = identify(ctx, conn, identitySQL+"0")
	}
	return id, err
}

func identify(ctx context.Context, conn *pgconn.PgConn, sql string) (Identity, error) {
	r, err := one(ctx, conn, sql)
	if err != nil {
		return Identity{}, fmt.Errorf("identify server %s: %w", remote(conn), err)
	}
	var id Identity
	id.InRecovery = r.truth()
	if tl := r.text(); tl != "" {
		n, err := strconv.ParseUint(tl, 16, 32)
		r.fail(err)
		id.Timeline = pg.Timeline(n)
	}
	id.Insert = r.lsn()
	id.Start = pg.ProcessStart(r.number())
	id.Backend = int32(r.number())
	id.Pooled = conn.PID() != uint32(id.Backend)
	host, port := r.text(), r.text()
	id.Address = remote(conn)
	if id.Address == "" && host != "" {
		id.Address = net.JoinHostPort(host, port)
	}
	id.Version = r.text()
	id.VersionNum = int(r.number())
	id.SegmentBytes = uint64(r.number())
	id.SyncCommit, id.SyncStandbys = r.text(), r.text()
	id.ReadOnly = r.text() == "on"
	id.Database, id.Role = r.text(), r.text()
	id.System = pg.SystemID(r.number())
	if r.err != nil {
		return Identity{}, fmt.Errorf("identify server %s: %w", remote(conn), r.err)
	}
	return id, nil
}

// remote is the peer as the client dialled it: host:port, or a socket's path.
func remote(conn *pgconn.PgConn) string {
	if a := conn.Conn().RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// MarkerPresent looks for one attempt's marker. A server without the table
// lacks the marker too. With an error nothing was seen.
func MarkerPresent(ctx context.Context, conn *pgconn.PgConn, id txn.ID) (pg.Presence, error) {
	rows, err := query(ctx, conn, `select 1 from pgrpo.marker where run = $1::int and worker = $2::int and seq = $3::bigint`,
		decimal(id.Run), decimal(id.Worker), decimal(id.Seq))
	switch {
	case tablesAbsent(err):
		return pg.Absent, nil
	case err != nil:
		return pg.NotLooked, fmt.Errorf("look for the marker of %s on %s: %w", id, remote(conn), err)
	case len(rows) == 0:
		return pg.Absent, nil
	default:
		return pg.Present, nil
	}
}

func decimal[T ~int | ~int32 | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }
