package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Standby makes a streaming standby of a running server by an online backup, and
// starts it. It streams from via, the host:port of a relay, or directly if via
// is empty, with a physical slot and the application_name of its own name. It
// has the settings of the other, but for synchronous_standby_names.
func (s *Sandbox) Standby(ctx context.Context, name string, of *Server, via string) (*Server, error) {
	return s.create(ctx, name, "standby", func(v *Server) error {
		of.mu.Lock()
		v.record.Settings = maps.Clone(of.record.Settings)
		v.record.HBA = of.record.HBA
		of.mu.Unlock()
		delete(v.record.Settings, "synchronous_standby_names")
		if err := v.follow(ctx, of, via); err != nil {
			return err
		}
		if err := backup(ctx, of, v); err != nil {
			return err
		}
		if err := v.signalStandby(); err != nil {
			return err
		}
		return s.account.own(v.data)
	})
}

// follow points the server at an upstream and makes the slot there.
func (v *Server) follow(ctx context.Context, upstream *Server, via string) error {
	if via == "" {
		via = upstream.Addr()
	}
	host, port, err := net.SplitHostPort(via)
	if err != nil {
		return fmt.Errorf("point server %s at %q: %w", v.name, via, err)
	}
	err = upstream.Exec(ctx, fmt.Sprintf(
		"SELECT pg_create_physical_replication_slot(%[1]s, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %[1]s)",
		literal(v.name)))
	if err != nil {
		return fmt.Errorf("make slot of %s: %w", v.name, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.record.Conninfo = fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres application_name=%s sslmode=disable", host, port, v.name)
	v.record.Slot = v.name
	return nil
}

// renamedBackup is the version from which on the functions of a backup have their
// present names.
const renamedBackup = 15

// backup copies the data of a running server into the data directory of a new
// one, between pg_backup_start and pg_backup_stop, with the WAL that makes it
// consistent, so that it starts even while nothing streams.
func backup(ctx context.Context, from, to *Server) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up server %s: %w", from.name, err)
		}
	}()
	conn, err := from.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	start, stop := "pg_backup_start(%s, fast => true)", "pg_backup_stop(wait_for_archive => false)"
	if from.sandbox.binaries.Major < renamedBackup {
		start, stop = "pg_start_backup(%s, fast => true, exclusive => false)", "pg_stop_backup(exclusive => false, wait_for_archive => false)"
	}
	if _, err := conn.Exec(ctx, "SELECT "+fmt.Sprintf(start, literal("pgrpo "+to.name))).ReadAll(); err != nil {
		return err
	}
	if err := copyTree(from.data, to.data, inBackup); err != nil {
		return err
	}
	// Last, as a backup of a standby wants it.
	control := filepath.Join("global", "pg_control")
	if err := copyFile(filepath.Join(from.data, control), filepath.Join(to.data, control), 0o600); err != nil {
		return err
	}
	results, err := conn.Exec(ctx, "SELECT labelfile FROM "+stop).ReadAll()
	if err != nil {
		return err
	}
	label := results[0].Rows[0][0]
	if err := os.WriteFile(filepath.Join(to.data, "backup_label"), label, 0o600); err != nil {
		return err
	}
	if err := dropSettings(filepath.Join(to.data, "postgresql.auto.conf"),
		"synchronous_standby_names", "primary_conninfo", "primary_slot_name"); err != nil {
		return err
	}
	// START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
	_, first, ok := bytes.Cut(label, []byte("(file "))
	first, _, end := bytes.Cut(first, []byte(")"))
	if !ok || !end {
		return fmt.Errorf("no WAL file in backup label %q", label)
	}
	return copyTree(filepath.Join(from.data, "pg_wal"), filepath.Join(to.data, "pg_wal"), func(rel string) choice {
		switch {
		case strings.HasSuffix(rel, ".history"):
			return copyAll
		case len(rel) == 24 && rel >= string(first):
			return copyAll
		}
		return copyNone
	})
}

// inBackup leaves out what a backup must not have; the list is that of
// PostgreSQL's "Backing Up the Data Directory" and src/backend/backup/basebackup.c.
func inBackup(rel string) choice {
	switch base := filepath.Base(rel); {
	case strings.HasPrefix(base, "pgsql_tmp"), base == "pg_internal.init":
		return copyNone
	}
	switch rel {
	case "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans":
		return copyBare
	case "postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal", "backup_label", "backup_label.old",
		"tablespace_map", "tablespace_map.old", "backup_manifest", "current_logfiles", filepath.Join("global", "pg_control"):
		return copyNone
	}
	if dir, base := filepath.Split(rel); dir == "pg_wal/" && base != "archive_status" && base != "summaries" {
		return copyNone
	}
	if dir := filepath.Dir(rel); dir == filepath.Join("pg_wal", "archive_status") || dir == filepath.Join("pg_wal", "summaries") {
		return copyNone
	}
	return copyAll
}

// dropSettings removes settings from a configuration file of ALTER SYSTEM.
func dropSettings(path string, names ...string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(content)) {
		name, _, _ := strings.Cut(line, " ")
		drop := false
		for _, n := range names {
			drop = drop || n == name
		}
		if !drop {
			kept.WriteString(line)
		}
	}
	return os.WriteFile(path, []byte(kept.String()), 0o600)
}

// streamTimeout bounds the wait for a standby to connect, beyond the context.
const streamTimeout = 30 * time.Second

// WaitStreaming waits until the server streams from upstream, on upstream's own
// timeline: a server whose history does not fit streams for a moment too, up to
// the point where the timelines part.
func (v *Server) WaitStreaming(ctx context.Context, upstream *Server) error {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		if !v.Running() {
			return false, errors.New("it does not run")
		}
		timeline, err := upstream.Value(ctx, `SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver)
			ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END
			WHERE EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND application_name = `+literal(v.name)+")")
		if timeline == "" || err != nil {
			return false, err
		}
		received, err := v.Value(ctx, "SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming'")
		return received == timeline, err
	})
	if err != nil {
		return fmt.Errorf("wait for server %s to stream from %s: %w (its log ends: %s)", v.name, upstream.name, err, v.logTail())
	}
	return nil
}
