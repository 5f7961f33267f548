package repo

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// The SQLSTATEs that are told apart (PostgreSQL appendix A).
const (
	stateInsufficientPrivilege = "42501"
	stateInvalidPassword       = "28P01"
	stateInvalidAuthorization  = "28000"
	stateNoDatabase            = "3D000"
	stateReadOnly              = "25006"
	stateUnique                = "23505"
	stateDivision              = "22012"
	stateDependent             = "2BP01"
)

// stateOf is the SQLSTATE of err, or nothing.
func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// place is host:port/database, with every host that the DSN names.
func place(c *pgx.ConnConfig) string {
	var hosts []string
	add := func(host string, port uint16) {
		at := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if len(hosts) == 0 || hosts[len(hosts)-1] != at {
			hosts = append(hosts, at)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return strings.Join(hosts, ",") + "/" + c.Database
}

// setsPoolSize tells whether the DSN bounds the pool.
func setsPoolSize(dsn string) bool { return strings.Contains(dsn, "pool_max_conns") }

// unconnected sorts the error of a connect, in one line.
func (r *Repo) unconnected(err error) error {
	user, database := r.pool.Config().ConnConfig.User, r.pool.Config().ConnConfig.Database
	switch stateOf(err) {
	case stateInvalidPassword, stateInvalidAuthorization:
		return trouble.Unreachable("connect to repo %s: the server refuses user %q: check password and pg_hba.conf: %w", r.name, user, cause{err})
	case stateNoDatabase:
		return trouble.Unreachable("connect to repo %s: there is no database %q: make it with CREATE DATABASE, or name another: %w", r.name, database, cause{err})
	case stateInsufficientPrivilege:
		return trouble.Refuse("connect to repo %s: user %q may not: GRANT CONNECT ON DATABASE %s TO %s: %w", r.name, user, pgx.Identifier{database}.Sanitize(), pgx.Identifier{user}.Sanitize(), cause{err})
	}
	if errors.Is(err, context.Canceled) {
		return r.failed("connect", cause{err})
	}
	return trouble.Unreachable("connect to repo %s: start the server, or check host, port and network: %w", r.name, cause{err})
}

// unprepared sorts the error of making the tables.
func (r *Repo) unprepared(err error) error {
	conn := r.pool.Config().ConnConfig
	switch stateOf(err) {
	case stateInsufficientPrivilege:
		user := pgx.Identifier{conn.User}.Sanitize()
		return trouble.Refuse("make the tables of repo %s: user %q lacks the right: GRANT CREATE ON DATABASE %s TO %s, and let that user own schema pgrpo where there is one: %w",
			r.name, conn.User, pgx.Identifier{conn.Database}.Sanitize(), user, cause{err})
	case stateReadOnly:
		return trouble.Refuse("make the tables of repo %s: it takes no writes; name a server that is no standby: %w", r.name, cause{err})
	}
	return r.failed("make the tables", err)
}

// cause shows the inner text of a connect error in one line: the outer one
// repeats user and database, and the library tells each address twice where it
// tries it with and without TLS.
type cause struct{ err error }

func (c cause) Unwrap() error { return c.err }

func (c cause) Error() string {
	err := c.err
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Message + " (SQLSTATE " + e.Code + ")"
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap()
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
