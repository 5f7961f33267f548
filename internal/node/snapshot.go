package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Snapshot reads one server as it was at one moment: a REPEATABLE READ, read
// only transaction. One read at a time; several connections may share the
// moment, see [Snapshot.Name] and [Join].
type Snapshot struct {
	conn *pgconn.PgConn
	name string
	// wait bounds each answer of the server, where the context does not.
	wait time.Duration
	page page
}

// patient switches off the timeouts that a role or server may have for its
// sessions: a snapshot idles while the ledger is walked, and a sum of many rows
// takes its time. transaction_timeout is from 17 on.
const patient = "; set local idle_in_transaction_session_timeout to 0; set local statement_timeout to 0; " +
	"select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout'"

// Begin opens a snapshot on a connection that is idle.
func Begin(ctx context.Context, conn *pgconn.PgConn) (*Snapshot, error) {
	if err := run(ctx, conn, "begin isolation level repeatable read, read only"+patient); err != nil {
		rollback(conn)
		return nil, fmt.Errorf("begin snapshot on %s: %w", remote(conn), err)
	}
	r, err := one(ctx, conn, "select pg_export_snapshot()")
	if err != nil {
		rollback(conn)
		return nil, fmt.Errorf("export snapshot of %s: %w", remote(conn), err)
	}
	return &Snapshot{conn: conn, name: r.text(), wait: defaultTimeout}, nil
}

// Join opens another snapshot's moment on a further connection to the same
// server, while that snapshot is open.
func Join(ctx context.Context, conn *pgconn.PgConn, name string) (*Snapshot, error) {
	quoted, err := conn.EscapeString(name)
	if err != nil {
		return nil, fmt.Errorf("join snapshot on %s: %w", remote(conn), err)
	}
	if err := run(ctx, conn, "begin isolation level repeatable read, read only; set transaction snapshot '"+quoted+"'"+patient); err != nil {
		rollback(conn)
		return nil, fmt.Errorf("join snapshot on %s: %w", remote(conn), err)
	}
	return &Snapshot{conn: conn, name: name, wait: defaultTimeout}, nil
}

// Name is what other connections join it by.
func (s *Snapshot) Name() string { return s.name }

// Conn is the connection, for further questions at the same moment.
func (s *Snapshot) Conn() *pgconn.PgConn { return s.conn }

// Close ends the transaction. The connection stays open.
func (s *Snapshot) Close() { rollback(s.conn) }

// MarkerWorkers lists all workers with markers of this run, ascending, whoever
// they are: aliens and the sentinel's worker -1 too. The error wraps
// [ErrTablesAbsent] where the server lacks the table.
func (s *Snapshot) MarkerWorkers(ctx context.Context, number txn.Run) ([]txn.Worker, error) {
	// A scan of the distinct workers along the primary key: one descent each,
	// however many markers there are.
	rows, err := query(ctx, s.conn, `with recursive w as (
  (select worker from pgrpo.marker where run = $1::int order by worker limit 1)
  union all
  select (select m.worker from pgrpo.marker m where m.run = $1::int and m.worker > w.worker order by m.worker limit 1)
  from w where w.worker is not null)
 select worker from w where worker is not null order by worker`, decimal(number))
	if err != nil {
		return nil, s.explain("list the workers with markers", err)
	}
	var all []txn.Worker
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, txn.Worker(r.number()))
		if r.err != nil {
			return nil, s.explain("list the workers with markers", r.err)
		}
	}
	return all, nil
}

// TableWorkers lists the workers whose table is on the server, ascending. It is
// not nil unless there is an error.
func (s *Snapshot) TableWorkers(ctx context.Context) ([]txn.Worker, error) {
	rows, err := query(ctx, s.conn, `select substr(c.relname, 8)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'pgrpo' and c.relkind in ('r', 'p') and c.relname ~ '^worker_[0-9]{4,9}$' order by 1`)
	if err != nil {
		return nil, s.explain("list the worker tables", err)
	}
	all := make([]txn.Worker, 0, len(rows))
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, txn.Worker(r.number()))
	}
	return all, nil
}

// Markers reads the markers of one worker of the run, ordered by seq. An error
// ends the sequence; it wraps [ErrTablesAbsent] where the server lacks the
// table. The context bounds the whole reading; where it has no deadline, each
// answer of the server is waited for at most 30 seconds, and the reader takes as
// long as it likes between two of them.
func (s *Snapshot) Markers(ctx context.Context, number txn.Run, w txn.Worker) iter.Seq2[txn.Marker, error] {
	const sql = "select seq, ops, crc from pgrpo.marker where run = $1::int and worker = $2::int order by seq"
	return func(yield func(txn.Marker, error) bool) {
		for v, err := range s.stream(ctx, sql, decimal(number), decimal(w)) {
			if err != nil {
				yield(txn.Marker{}, s.explain(fmt.Sprintf("read the markers of worker %d", w), err))
				return
			}
			m := txn.Marker{
				ID:  txn.ID{Run: number, Worker: w, Seq: txn.Seq(int64At(v, 0))},
				Ops: int32At(v, 1), Sum: txn.Sum(int32At(v, 2)),
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Rows reads all rows of one worker of the run as [Snapshot.RowsIn] does.
func (s *Snapshot) Rows(ctx context.Context, number txn.Run, w txn.Worker) iter.Seq2[txn.Row, error] {
	return s.RowsIn(ctx, number, w, math.MinInt64, math.MaxInt64)
}

// What is asked for at a time has at most pageRows rows, and about pageBytes
// bytes, so that neither a reader that stops early nor one of large payloads
// makes the server send much more than is looked at.
const (
	pageRows  = 20_000
	pageBytes = 1 << 20
)

// stream reads a query's rows in binary form, through a cursor. The values are
// valid until the next row.
func (s *Snapshot) stream(ctx context.Context, sql string, params ...string) iter.Seq2[[][]byte, error] {
	return s.streamFrom(ctx, pageRows, sql, params...)
}

// streamFrom is stream with so many rows in the first page. The size of its rows
// tells how many the next one has.
func (s *Snapshot) streamFrom(ctx context.Context, most int, sql string, params ...string) iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		// Numbers are the only parameters; a cursor's query takes none.
		for i, p := range params {
			sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i+1), "'"+p+"'")
		}
		if err := run(ctx, s.conn, "declare pgrpo_read binary no scroll cursor for "+sql); err != nil {
			yield(nil, err)
			return
		}
		defer func() {
			if s.conn.TxStatus() == 'T' && !s.conn.IsClosed() {
				_ = run(context.WithoutCancel(ctx), s.conn, "close pgrpo_read")
			}
		}()
		for {
			if err := s.fetch(ctx, most); err != nil {
				yield(nil, err)
				return
			}
			for row := range s.page.rows() {
				if !yield(row, nil) {
					return
				}
			}
			if s.page.len() < most {
				return
			}
			most = s.page.fit()
		}
	}
}

// fetch fills the page with the next rows: fewer than the most where they are
// at their end.
func (s *Snapshot) fetch(ctx context.Context, most int) error {
	ctx, cancel := within(ctx, s.wait)
	defer cancel()
	s.page.clear()
	results := s.conn.Exec(ctx, fmt.Sprintf("fetch %d from pgrpo_read", most))
	for results.NextResult() {
		for rows := results.ResultReader(); rows.NextRow(); {
			s.page.add(rows.Values())
		}
	}
	return results.Close()
}

func (s *Snapshot) explain(what string, err error) error {
	if tablesAbsent(err) {
		err = fmt.Errorf("%w (%w)", ErrTablesAbsent, err)
	}
	return fmt.Errorf("%s on %s: %w", what, remote(s.conn), err)
}

func int64At(v [][]byte, i int) int64 { return int64(binary.BigEndian.Uint64(v[i])) }
func int32At(v [][]byte, i int) int32 { return int32(binary.BigEndian.Uint32(v[i])) }
