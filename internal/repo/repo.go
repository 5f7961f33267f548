// Package repo keeps what a run learned in a PostgreSQL of its own: the
// drivers' ledgers, the captured stream, and what was judged. It is the only
// package that knows the repo's tables.
//
// Everything is by run; several drivers and several runs share one repo. A
// driver's journal is moved by [Repo.Ship], the captured stream is stored by a
// [Stream], and the judge reads the evidence in key order, in bounded memory.
package repo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

const (
	// connectTime bounds a connect where the DSN sets no connect_timeout.
	connectTime = 5 * time.Second
	// queryTime bounds each query that does not stream, and each wait for the
	// repo of one that does.
	queryTime = 30 * time.Second
	// removeTime bounds one statement that removes all that a table has of a
	// run.
	removeTime = time.Hour
	// mostConns bounds the pool where the DSN sets no pool_max_conns. An
	// iterator holds a connection until it ends, and two of them run for
	// each worker that is judged.
	mostConns = 64
)

// Repo is an open repo. It is safe for concurrent use.
type Repo struct {
	pool *pgxpool.Pool
	name string // host:port/database
	// wait bounds each wait of a stream for the server.
	wait time.Duration
}

// Open connects to the repo and brings its tables to this version, under an
// advisory lock, so that several processes may start at once.
//
// Errors are of kind [trouble.Unavailable] where the server or the database is
// not to be had or the password is refused, and of kind [trouble.Refused] where
// the DSN is malformed, a right is missing, the server is older than 14 or a
// standby, the tables are newer than this program, or the schema is not a
// repo's. They name host, port and database and never show a password.
func Open(ctx context.Context, dsn string) (*Repo, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The parser's text may quote the DSN, password included.
		return nil, trouble.Refuse("read the repo's DSN: it is neither a postgres:// URL nor a list of key=value pairs that PostgreSQL knows; write it as postgres://user@host:port/database")
	}
	settle(config)
	r := &Repo{name: place(config.ConnConfig), wait: queryTime}
	if r.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open repo %s: %w", r.name, err)
	}
	if err := r.prepare(ctx); err != nil {
		r.pool.Close()
		return nil, err
	}
	return r, nil
}

// settle sets what the DSN leaves open, and what must not be left to it.
func settle(config *pgxpool.Config) {
	conn := config.ConnConfig
	if conn.ConnectTimeout <= 0 || conn.ConnectTimeout > 2*time.Minute {
		conn.ConnectTimeout = connectTime
	}
	// A statement may take long, but not on a dead peer.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn.DialFunc = dialer.DialContext
	if config.MaxConns < mostConns && !setsPoolSize(config.ConnString()) {
		config.MaxConns = mostConns
	}
	for name, value := range map[string]string{
		"application_name": "pgrpo/repo",
		// What is stored is confirmed to the primary, which then forgets it.
		"synchronous_commit": "on",
		// A reader shall have its first row at once: an index is walked, and
		// a big table not sorted, also before the server knows how big it is.
		"enable_sort": "off",
		// A session that was cut off must not hold its locks for ever.
		"idle_in_transaction_session_timeout": "60s",
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
	} {
		conn.RuntimeParams[name] = value
	}
}

// Close closes all connections. Iterators must have ended.
func (r *Repo) Close() { r.pool.Close() }

// String is host:port/database.
func (r *Repo) String() string { return r.name }

// bounded gives a query its deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, queryTime)
}

// exec runs one statement under the deadline of queries.
func (r *Repo) exec(ctx context.Context, what, sql string, args ...any) (rows int64, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	tag, err := r.pool.Exec(ctx, sql, args...)
	if err != nil {
		return 0, r.failed(what, err)
	}
	return tag.RowsAffected(), nil
}

// failed says what failed, and on which repo. A connect that failed is told in one
// line.
func (r *Repo) failed(what string, err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = cause{err}
	}
	return fmt.Errorf("%s in repo %s: %w", what, r.name, err)
}
