// Package node talks to one PostgreSQL server: it connects, learns the server's
// identity, checks that it may be tested, and owns what pgrpo keeps on it: the
// schema, the publication and the slot. Settlement of in-doubt attempts, the end
// transaction and the reading of markers live here too.
//
// Primaries from PostgreSQL 13 to 18 are known. Errors carry a kind of package
// trouble where the user can act, and never a password. What an error means is
// decided on its SQLSTATE.
package node

import (
	"context"
	"errors"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// Target is where to connect: one host, or several that are tried in order.
// Its zero value is not usable; [Parse] makes one.
type Target struct {
	config *pgconn.Config
	cancel canceling
}

// canceling says whether an interrupted query makes a second connection to ask
// the server to cancel it.
type canceling uint8

const (
	cancelByRequest canceling = iota
	cancelByClosing
)

// Parse reads a connection string in the form of a URL or of keywords, with
// libpq's environment variables as defaults. If it names several hosts and no
// target_session_attrs, hosts that accept writes are preferred. The error of a
// malformed string does not repeat it, because it may hold a password.
func Parse(dsn string) (Target, error) {
	if strings.HasPrefix(dsn, "-") {
		// As keywords it would lead to the server of the defaults.
		return Target{}, trouble.Refuse("parse connection string: it is a flag; was the value before it left out, or its variable empty?")
	}
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return Target{}, trouble.Refuse("parse connection string: it is malformed or names a file that cannot be read; " +
			"write postgres://user@host:port/database or \"host=... port=... user=... dbname=...\"")
	}
	if err := plainDatabase(dsn, cfg.Database); err != nil {
		return Target{}, err
	}
	t := Target{config: cfg}
	_, set := os.LookupEnv("PGTARGETSESSIONATTRS")
	if len(t.places()) > 1 && !set && !strings.Contains(dsn, "target_session_attrs") {
		cfg.ValidateConnect = preferWritable
	}
	return t, nil
}

// plainDatabase refuses a connection string whose database is more than a name: it
// is shown to people, and what was mistyped there may hold a password.
func plainDatabase(dsn, database string) error {
	isURL := strings.HasPrefix(dsn, "postgres")
	switch {
	case strings.Contains(database, "://"):
		return trouble.Refuse("parse connection string: it holds another one; give each by itself: " +
			"repeat the flag, or put one on each line of its variable")
	case strings.Contains(database, "password="), isURL && strings.Contains(database, "@") && !strings.Contains(dsn, "%40"):
		return trouble.Refuse("parse connection string: what stands for its database is more than a name; " +
			"begin parameters with ? and join them with &, and write / ? # @ of a password as %%2F %%3F %%23 %%40")
	}
	return nil
}

// preferWritable accepts a server that takes writes, and any other one only
// when no host of the list does.
func preferWritable(ctx context.Context, conn *pgconn.PgConn) error {
	err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		// This is the error by which the connection package knows a host
		// that is to be kept as a last resort.
		return &pgconn.NotPreferredError{}
	}
	return err
}

// Config is a copy of the whole configuration, for callers that connect by
// other means.
func (t Target) Config() *pgconn.Config { return t.config.Copy() }

// Database is the name of the database.
func (t Target) Database() string { return t.config.Database }

// User is the name of the role.
func (t Target) User() string { return t.config.User }

// String names hosts and database for people: host:port[,host:port]/database.
func (t Target) String() string {
	return strings.Join(t.Addresses(), ",") + "/" + t.config.Database
}

// Addresses are the hosts as host:port, in the order in which they are tried.
func (t Target) Addresses() []string {
	var names []string
	for _, p := range t.places() {
		names = append(names, p.String())
	}
	return names
}

// Hosts returns one target for each host, each without a preference for
// writable servers.
func (t Target) Hosts() []Target {
	var hosts []Target
	for _, p := range t.places() {
		cfg := t.config.Copy()
		all := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
		mine := slices.DeleteFunc(all, func(f *pgconn.FallbackConfig) bool { return (place{f.Host, f.Port}) != p })
		cfg.Host, cfg.Port, cfg.TLSConfig = mine[0].Host, mine[0].Port, mine[0].TLSConfig
		cfg.Fallbacks = mine[1:]
		cfg.ValidateConnect = nil
		hosts = append(hosts, Target{config: cfg, cancel: t.cancel})
	}
	return hosts
}

// Union is a target of all hosts of several targets, which prefers hosts that
// accept writes. They must name one database, role and password.
func Union(targets []Target) (Target, error) {
	cfg := targets[0].config.Copy()
	for _, t := range targets[1:] {
		if t.config.Database != cfg.Database || t.config.User != cfg.User || t.config.Password != cfg.Password {
			return Target{}, trouble.Refuse("join %s and %s: they name different databases, roles or passwords", targets[0], t)
		}
		cfg.Fallbacks = append(cfg.Fallbacks, &pgconn.FallbackConfig{Host: t.config.Host, Port: t.config.Port, TLSConfig: t.config.TLSConfig})
		cfg.Fallbacks = append(cfg.Fallbacks, t.config.Fallbacks...)
	}
	cfg.ValidateConnect = preferWritable
	return Target{config: cfg, cancel: targets[0].cancel}, nil
}

// WithTimeout returns a target that gives each host at most d to answer.
func (t Target) WithTimeout(d time.Duration) Target {
	cfg := t.config.Copy()
	cfg.ConnectTimeout = d
	return Target{config: cfg, cancel: t.cancel}
}

// WithoutCancel returns a target whose connections, when a query on them is
// interrupted, close without a second connection that asks the server to cancel
// the query. A server that hangs cannot hold such a connection's end up.
func (t Target) WithoutCancel() Target {
	return Target{config: t.config.Copy(), cancel: cancelByClosing}
}

// dialer wraps the configuration's dial function as the target's canceling
// asks. The returned function is called once the connection stands.
func (t Target) dialer(cfg *pgconn.Config) (established func()) {
	if t.cancel == cancelByRequest {
		return func() {}
	}
	var done atomic.Bool
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if done.Load() {
			return nil, net.ErrClosed
		}
		return dial(ctx, network, addr)
	}
	return func() { done.Store(true) }
}

// place is a host and its port.
type place struct {
	host string
	port uint16
}

func (p place) String() string {
	if path.IsAbs(p.host) {
		return p.host + ":" + strconv.Itoa(int(p.port))
	}
	return net.JoinHostPort(p.host, strconv.Itoa(int(p.port)))
}

// places lists the hosts once each: a host that is tried with and without TLS
// is in the configuration twice.
func (t Target) places() []place {
	places := []place{{t.config.Host, t.config.Port}}
	for _, f := range t.config.Fallbacks {
		if p := (place{f.Host, f.Port}); !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return places
}
