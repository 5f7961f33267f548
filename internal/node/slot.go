package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// Slot is what pg_replication_slots shows of one slot. Columns that the
// server's version lacks are left zero.
type Slot struct {
	Name      string
	Plugin    string
	Type      string // logical or physical
	Database  string
	Temporary bool
	Active    bool
	ActivePid int32
	Restart   pg.LSN // 0 is null
	Confirmed pg.LSN // 0 is null
	// WalStatus is reserved, extended, unreserved, lost, or empty.
	WalStatus string
	// Invalidation is the reason, from 17 on.
	Invalidation string
	// Failover and Synced are from 17 on.
	Failover, Synced bool
	// Retained is the WAL that the slot keeps from being removed, in bytes.
	Retained int64
}

// Lost tells whether the slot can no longer be read.
func (s Slot) Lost() bool { return s.WalStatus == "lost" || s.Invalidation != "" }

// FindSlot looks for a slot by name; the second result is false if there is
// none.
func FindSlot(ctx context.Context, conn *pgconn.PgConn, name string) (Slot, bool, error) {
	// The row is read as JSON: columns differ between versions.
	rows, err := query(ctx, conn, `select slot_name, plugin, slot_type, database, temporary, active, active_pid, restart_lsn,
 confirmed_flush_lsn, wal_status, to_jsonb(s) ->> 'invalidation_reason', coalesce(to_jsonb(s) ->> 'failover', 'false') = 'true',
 coalesce(to_jsonb(s) ->> 'synced', 'false') = 'true',
 case when not pg_is_in_recovery() then trunc(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint end
 from pg_replication_slots s where slot_name = $1`, name)
	if err != nil {
		return Slot{}, false, fmt.Errorf("look for slot %s on %s: %w", name, remote(conn), err)
	}
	if len(rows) == 0 {
		return Slot{}, false, nil
	}
	r := record{cols: rows[0]}
	s := Slot{
		Name: r.text(), Plugin: r.text(), Type: r.text(), Database: r.text(), Temporary: r.truth(), Active: r.truth(),
		ActivePid: int32(r.number()), Restart: r.lsn(), Confirmed: r.lsn(), WalStatus: r.text(), Invalidation: r.text(),
		Failover: r.truth(), Synced: r.truth(), Retained: r.number(),
	}
	if r.err != nil {
		return Slot{}, false, fmt.Errorf("read slot %s on %s: %w", name, remote(conn), r.err)
	}
	return s, true, nil
}

// ErrSlotExists says that a slot of that name is there already.
var ErrSlotExists = errors.New("the slot exists already")

// CreateSlot makes a logical slot for pgoutput on a replication connection and
// returns its consistent point. On 17 and later it is a failover slot. The
// server first waits for all transactions that run; when the context ends
// before that, the request is cancelled and the error names the processes that
// held it up, asked on the ordinary connection side, which may be nil.
func CreateSlot(ctx context.Context, repl, side *pgconn.PgConn, name string, versionNum int) (pg.LSN, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	type answer struct {
		rows table
		err  error
	}
	// The command has a deadline of its own, past the caller's: a request
	// that is only cut off would go on waiting in the server.
	hard, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	got := make(chan answer, 1)
	go func() {
		results, err := repl.Exec(hard, createSlotSQL(name, versionNum)).ReadAll()
		if err == nil && len(results) > 0 {
			got <- answer{rows: results[0].Rows}
			return
		}
		got <- answer{err: err}
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		held := blockersLine(side)
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		_ = repl.CancelRequest(grace)
		select {
		case <-got:
		case <-grace.Done():
			stop()
			<-got
		}
		done()
		return 0, trouble.Unreachable("create slot %s on %s: it had to wait too long for running transactions (%w); %s", name, remote(repl), ctx.Err(), held)
	}
	switch {
	case sqlState(a.err) == duplicateObject:
		return 0, fmt.Errorf("create slot %s on %s: %w", name, remote(repl), ErrSlotExists)
	case sqlState(a.err) == "53400":
		return 0, fmt.Errorf("create slot %s on %s: all replication slots are in use; raise max_replication_slots or drop one: %w", name, remote(repl), a.err)
	case a.err != nil:
		return 0, fmt.Errorf("create slot %s on %s: %w", name, remote(repl), a.err)
	case len(a.rows) != 1 || len(a.rows[0]) < 2:
		return 0, fmt.Errorf("create slot %s on %s: the server answered in an unknown form", name, remote(repl))
	}
	return pg.ParseLSN(string(a.rows[0][1]))
}

// createSlotSQL is the command by version: options in parentheses are from 15
// on, FAILOVER from 17 on (PostgreSQL manual, streaming replication protocol).
func createSlotSQL(name string, versionNum int) string {
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	switch {
	case versionNum >= 170000:
		return "CREATE_REPLICATION_SLOT " + quoted + " LOGICAL pgoutput (FAILOVER true, SNAPSHOT 'nothing')"
	case versionNum >= 150000:
		return "CREATE_REPLICATION_SLOT " + quoted + " LOGICAL pgoutput (SNAPSHOT 'nothing')"
	default:
		return "CREATE_REPLICATION_SLOT " + quoted + " LOGICAL pgoutput NOEXPORT_SNAPSHOT"
	}
}

// Blocker is a session with a running transaction.
type Blocker struct {
	Pid         int32
	Application string
	Seconds     int64
}

// Blockers lists the sessions, oldest transaction first, that a new logical
// slot waits for: those that have a transaction id.
func Blockers(ctx context.Context, conn *pgconn.PgConn) ([]Blocker, error) {
	rows, err := query(ctx, conn, `select a.pid, a.application_name, extract(epoch from clock_timestamp() - a.xact_start)::bigint
 from pg_stat_activity a where a.pid <> pg_backend_pid()
 and exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted)
 order by a.xact_start`)
	if err != nil {
		return nil, fmt.Errorf("list running transactions of %s: %w", remote(conn), err)
	}
	var all []Blocker
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, Blocker{Pid: int32(r.number()), Application: r.text(), Seconds: r.number()})
	}
	return all, nil
}

func blockersLine(conn *pgconn.PgConn) string {
	const nobody = "end long transactions and prepared ones, then try again"
	if conn == nil {
		return nobody
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, err := Blockers(ctx, conn)
	if err != nil || len(all) == 0 {
		return nobody
	}
	var names []string
	for _, b := range all {
		names = append(names, fmt.Sprintf("pid %d (%s, %d s)", b.Pid, b.Application, b.Seconds))
	}
	return "end these and try again: " + strings.Join(names, ", ")
}

// DropSlot drops a slot of this server; one that is not there is fine. While a
// session uses the slot, it waits up to patience for that to end.
func DropSlot(ctx context.Context, conn *pgconn.PgConn, name string, patience time.Duration) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	until := time.NewTimer(patience)
	defer until.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := query(ctx, conn, "select pg_drop_replication_slot($1)", name)
		switch sqlState(err) {
		case "":
			if err != nil {
				return fmt.Errorf("drop slot %s on %s: %w", name, remote(conn), err)
			}
			return nil
		case undefinedObject:
			return nil
		case objectInUse:
		default:
			return fmt.Errorf("drop slot %s on %s: %w", name, remote(conn), err)
		}
		select {
		case <-again.C:
		case <-until.C:
			return fmt.Errorf("drop slot %s on %s: a session still uses it; end that session, then run pgrpo reset: %w", name, remote(conn), err)
		case <-ctx.Done():
			return fmt.Errorf("drop slot %s on %s: %w", name, remote(conn), ctx.Err())
		}
	}
}
