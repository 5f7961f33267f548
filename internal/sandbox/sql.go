package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// sqlTimeout bounds a statement of the sandbox beyond its context.
const sqlTimeout = time.Minute

// connect opens a session as postgres at the Unix socket.
func (v *Server) connect(ctx context.Context) (*pgconn.PgConn, error) {
	c, err := pgconn.ParseConfig("postgres://postgres@127.0.0.1/postgres?sslmode=disable&application_name=pgrpo-sandbox")
	if err != nil {
		return nil, err
	}
	// Nothing of our environment may lead elsewhere.
	c.Host, c.Port, c.Password, c.Fallbacks, c.ValidateConnect = v.sockets, uint16(v.Port()), "", nil, nil
	c.RuntimeParams = map[string]string{"application_name": "pgrpo-sandbox"}
	return pgconn.ConnectConfig(ctx, c)
}

// Exec runs SQL, one statement or several, in database postgres.
func (v *Server) Exec(ctx context.Context, sql string) error {
	_, err := v.query(ctx, sql)
	return err
}

// Value runs SQL in database postgres and returns the first field of the first
// row of the last result as text; NULL, and no row, are the empty string.
func (v *Server) Value(ctx context.Context, sql string) (string, error) {
	results, err := v.query(ctx, sql)
	if err != nil || len(results) == 0 {
		return "", err
	}
	rows := results[len(results)-1].Rows
	if len(rows) == 0 || len(rows[0]) == 0 {
		return "", nil
	}
	return string(rows[0][0]), nil
}

func (v *Server) query(ctx context.Context, sql string) (_ []*pgconn.Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout)
	defer cancel()
	conn, err := v.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("query server %s: %w", v.name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("query server %s: %w", v.name, err)
	}
	return results, nil
}

// literal is a string as SQL writes it, with standard_conforming_strings.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Set changes a setting by ALTER SYSTEM and waits until new sessions have it. A
// setting that only a start can change takes effect with Restart.
func (v *Server) Set(ctx context.Context, name, value string) error {
	if !settingPattern(name) {
		return fmt.Errorf("set %q on server %s: no name of a setting", name, v.name)
	}
	if err := v.Exec(ctx, "ALTER SYSTEM SET "+name+" = "+literal(value)); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return v.Reload(ctx)
}

// settingPattern says whether name can be that of a setting.
func settingPattern(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return name != ""
}

// Reload makes the server read its configuration files again and waits until
// new sessions have what they say.
func (v *Server) Reload(ctx context.Context) error {
	before, err := v.Value(ctx, "SELECT pg_conf_load_time()")
	if err != nil {
		return err
	}
	if err := v.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout)
	defer cancel()
	err = poll(ctx, 5*time.Millisecond, func(ctx context.Context) (bool, error) {
		now, err := v.Value(ctx, "SELECT pg_conf_load_time()")
		return now != before, err
	})
	if err != nil {
		return fmt.Errorf("reload server %s: %w", v.name, err)
	}
	return nil
}

// SetHBA puts lines at the head of pg_hba.conf, in place of those of an
// earlier call, such as "host all alice 127.0.0.1/32 scram-sha-256". The lines
// that trust everybody follow them. A running server reloads.
func (v *Server) SetHBA(ctx context.Context, lines ...string) error {
	v.mu.Lock()
	v.record.HBA = lines
	err := v.configure()
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if !v.Running() {
		return nil
	}
	return v.Reload(ctx)
}

// InRecovery says whether the server is a standby.
func (v *Server) InRecovery(ctx context.Context) (bool, error) {
	t, err := v.Value(ctx, "SELECT pg_is_in_recovery()")
	return t == "t", err
}

// Promote makes a standby a primary and waits until it takes writes.
func (v *Server) Promote(ctx context.Context) error {
	t, err := v.Value(ctx, "SELECT pg_promote(wait => true, wait_seconds => 50)")
	if err != nil {
		return fmt.Errorf("promote server %s: %w", v.name, err)
	}
	if t != "t" {
		return fmt.Errorf("promote server %s: it did not finish in time; see %s", v.name, v.LogFile())
	}
	v.sandbox.log.Debug("server promoted", "name", v.name)
	return nil
}

// WaitReplayed waits until the server, a standby, has replayed what from had
// flushed when this was called.
func (v *Server) WaitReplayed(ctx context.Context, from *Server) error {
	lsn, err := from.Value(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END")
	if err != nil {
		return err
	}
	return v.waitReplayed(ctx, lsn, ">=")
}

// waitReplayed waits until the last replayed LSN, the end of a record, stands in
// a relation to lsn.
func (v *Server) waitReplayed(ctx context.Context, lsn, relation string) error {
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout)
	defer cancel()
	err := poll(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, error) {
		t, err := v.Value(ctx, "SELECT pg_last_wal_replay_lsn() "+relation+" "+literal(lsn)+"::pg_lsn")
		return t == "t", err
	})
	if err != nil {
		return fmt.Errorf("wait for server %s to replay WAL to %s: %w", v.name, lsn, err)
	}
	return nil
}
