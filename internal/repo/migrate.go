package repo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// versionTable is what makes the schema a repo's.
	versionTable = "pgrpo.schema_version"
	// prepareTime bounds the migrations, with the wait for another
	// process's.
	prepareTime = 2 * time.Minute
	// oldest is the least server_version_num of a repo.
	oldest = 140000
	// prepareLock is the key of the advisory lock around all changes of
	// the schema: "pgrpo" in ASCII.
	prepareLock int64 = 0x706772706f
)

// prepare checks the server and brings the tables to this version.
func (r *Repo) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return r.unconnected(err)
	}
	defer conn.Release()
	return r.locked(ctx, conn.Conn(), func(m *migrate.Migrator) error {
		return m.Migrate(ctx)
	})
}

// locked runs change on the schema while no other process does. The schema and
// its version table are there when change begins.
func (r *Repo) locked(ctx context.Context, conn *pgx.Conn, change func(*migrate.Migrator) error) (err error) {
	var version int
	var standby bool
	err = conn.QueryRow(ctx, "select current_setting('server_version_num')::int, pg_is_in_recovery()").Scan(&version, &standby)
	switch {
	case err != nil:
		return r.unprepared(err)
	case version < oldest:
		return trouble.Refuse("use repo %s: PostgreSQL %d is too old for a repo, want 14 or newer", r.name, version/10000)
	case standby:
		return trouble.Refuse("use repo %s: the server is a standby; name its primary, or another server", r.name)
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", prepareLock); err != nil {
		return r.failed("wait for the lock on the schema", err)
	}
	defer func() {
		// A closed connection has lost its lock with it.
		if conn.IsClosed() {
			return
		}
		if _, unlockErr := conn.Exec(ctx, "select pg_advisory_unlock($1)", prepareLock); unlockErr != nil {
			err = errors.Join(err, r.failed("release the lock on the schema", unlockErr))
		}
	}()
	if err := r.ensureSchema(ctx, conn); err != nil {
		return err
	}
	m, err := migrator(ctx, conn)
	if err != nil {
		return r.unprepared(err)
	}
	stored, err := m.GetCurrentVersion(ctx)
	if err != nil {
		return r.unprepared(err)
	}
	if newest := len(m.Migrations); int(stored) > newest {
		return trouble.Refuse("use repo %s: its tables are of version %d and this program knows %d: use a newer pgrpo, or another database", r.name, stored, newest)
	}
	if err := change(m); err != nil {
		return r.unprepared(err)
	}
	return nil
}

func migrator(ctx context.Context, conn *pgx.Conn) (*migrate.Migrator, error) {
	m, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return nil, fmt.Errorf("read schema version: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	if err := m.LoadMigrations(files); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return m, nil
}

// ensureSchema makes the schema and its version table at once, so that a schema
// with anything in it but without that table is known to be someone else's.
func (r *Repo) ensureSchema(ctx context.Context, conn *pgx.Conn) error {
	var hasSchema, hasVersion, hasOther bool
	err := conn.QueryRow(ctx, `select to_regnamespace('pgrpo') is not null, to_regclass($1) is not null,
		exists (select from pg_class where relnamespace = to_regnamespace('pgrpo'))`, versionTable).Scan(&hasSchema, &hasVersion, &hasOther)
	switch {
	case err != nil:
		return r.unprepared(err)
	case hasVersion:
		return nil
	case hasOther:
		return trouble.Refuse("use repo %s: its schema pgrpo is not a repo's; the repo must be another database than the one under test", r.name)
	}
	sql := "create table pgrpo.schema_version (version int not null); insert into pgrpo.schema_version values (0)"
	if !hasSchema {
		sql = "create schema pgrpo; " + sql
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
	if err != nil {
		return r.unprepared(err)
	}
	return nil
}

// Drop removes schema pgrpo with all runs, and nothing else: whatever someone
// else put into the schema, or built upon it, stops it with an error. The repo
// must be opened anew before it is used again.
func (r *Repo) Drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return r.unconnected(err)
	}
	defer conn.Release()
	err = r.locked(ctx, conn.Conn(), func(m *migrate.Migrator) error {
		if err := m.MigrateTo(ctx, 0); err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "drop table pgrpo.schema_version; drop schema pgrpo")
			return err
		})
	})
	if stateOf(err) == stateDependent {
		return trouble.Refuse("drop repo %s: something that pgrpo did not make stands in its schema or on it; remove that first: %w", r.name, err)
	}
	return err
}
