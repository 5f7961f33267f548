package node

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// OldestVersion is the first PostgreSQL version, as server_version_num has it,
// that may be tested.
const OldestVersion = 130000

// Purpose says what a server is to be used for.
type Purpose uint8

const (
	// LoadAndCapture is the load and the reading of its logical stream.
	LoadAndCapture Purpose = iota
	// LoadOnly is the load alone: the log witness stays silent.
	LoadOnly
)

// Need is what a run asks of its primary.
type Need struct {
	Purpose Purpose
	// Repo is who answers on the repo's connection, nil if that is a server
	// of pgrpo's own.
	Repo *Identity
}

// Facts is what the preflight found.
type Facts struct {
	Identity
	// CanReplicate says that capture can make and read a slot. Why says what
	// is missing where it cannot; the run goes on without the log witness.
	CanReplicate bool
	Why          string
	FreeSlots    int64
	FreeSenders  int64
	WALLevel     string
}

// Preflight checks that this server can be the primary of a run. What rules it
// out is an error of kind trouble.Refused: one line with what is wrong, where,
// and what to do. A role that may not replicate, or a server without a free
// slot, is no error; see [Facts].
func Preflight(ctx context.Context, conn *pgconn.PgConn, need Need) (Facts, error) {
	id, err := Identify(ctx, conn)
	if err != nil {
		return Facts{}, fmt.Errorf("preflight: %w", err)
	}
	f := Facts{Identity: id}
	where := remote(conn)
	switch {
	case id.VersionNum < OldestVersion:
		return f, trouble.Refuse("preflight: %s runs PostgreSQL %s; 13 or newer is needed", where, id.Version)
	case id.InRecovery:
		return f, trouble.Refuse("preflight: %s is a standby (in recovery); give the primary as --primary-pgdsn", where)
	case id.ReadOnly:
		return f, trouble.Refuse("preflight: sessions on %s are read-only (default_transaction_read_only is on); give the primary, or switch that off for this role", where)
	case need.Repo != nil && sameCluster(id, *need.Repo):
		return f, trouble.Refuse("preflight: the repo is on the primary %s itself, or a copy of it, and would be lost with it; give another server as --repo-pgdsn", where)
	}
	if err := f.replication(ctx, conn); err != nil {
		return f, fmt.Errorf("preflight: %w", err)
	}
	if need.Purpose == LoadAndCapture && f.WALLevel != "logical" {
		return f, trouble.Refuse("preflight: wal_level of %s is %s, and capture needs logical; set wal_level = logical and restart the server", where, f.WALLevel)
	}
	return f, nil
}

// sameCluster compares systems, whatever the database: a failover takes all of a
// server back, the repo with it. Where the system could not be read, the process and
// its start stand in.
func sameCluster(a, b Identity) bool {
	if a.System != 0 && b.System != 0 {
		return a.System == b.System
	}
	return a.Start == b.Start && a.Address == b.Address
}

// replication learns whether a slot can be made and read. rds_replication is
// how Amazon RDS grants that right; to_regrole is null where there is none.
func (f *Facts) replication(ctx context.Context, conn *pgconn.PgConn) error {
	r, err := one(ctx, conn, `select current_setting('wal_level'),
 current_setting('max_replication_slots')::bigint - (select count(*) from pg_replication_slots),
 current_setting('max_wal_senders')::bigint - (select count(*) from pg_stat_replication),
 (select rolreplication or rolsuper from pg_roles where rolname = current_user)
  or coalesce(pg_has_role(current_user, to_regrole('rds_replication')::oid, 'member'), false)`)
	if err != nil {
		return fmt.Errorf("ask %s for its replication settings: %w", remote(conn), err)
	}
	f.WALLevel = r.text()
	f.FreeSlots, f.FreeSenders = r.number(), r.number()
	right := r.truth()
	if r.err != nil {
		return fmt.Errorf("ask %s for its replication settings: %w", remote(conn), r.err)
	}
	switch {
	case f.WALLevel != "logical":
		f.Why = "wal_level is " + f.WALLevel + "; set it to logical and restart the server"
	case !right:
		f.Why = fmt.Sprintf("role %q may not replicate; run: alter role %[1]q replication", f.Role)
	case f.FreeSlots <= 0:
		f.Why = "no replication slot is free; raise max_replication_slots or drop one"
	case f.FreeSenders <= 0:
		f.Why = "no WAL sender is free; raise max_wal_senders"
	default:
		f.CanReplicate = true
	}
	return nil
}
