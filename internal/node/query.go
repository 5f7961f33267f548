package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// table is the text result of a query: rows of columns, nil for null.
type table [][][]byte

// query runs one statement with text parameters and reads all of its result.
func query(ctx context.Context, conn *pgconn.PgConn, sql string, params ...string) (table, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	r := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	return r.Rows, r.Err
}

// one runs a statement that returns exactly one row.
func one(ctx context.Context, conn *pgconn.PgConn, sql string, params ...string) (record, error) {
	rows, err := query(ctx, conn, sql, params...)
	if err != nil {
		return record{}, err
	}
	if len(rows) != 1 {
		return record{}, fmt.Errorf("expect one row, got %d", len(rows))
	}
	return record{cols: rows[0]}, nil
}

// run sends statements that return nothing of interest, as one simple query:
// several statements are one transaction unless they say otherwise.
func run(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := conn.Exec(ctx, sql).ReadAll()
	return err
}

// record reads the columns of a row in order and keeps the first error.
type record struct {
	cols [][]byte
	next int
	err  error
}

func (r *record) raw() []byte {
	if r.next >= len(r.cols) {
		r.fail(fmt.Errorf("read column %d: the row has %d", r.next+1, len(r.cols)))
		return nil
	}
	r.next++
	return r.cols[r.next-1]
}

func (r *record) fail(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("column %d: %w", r.next, err)
	}
}

func (r *record) text() string { return string(r.raw()) }

func (r *record) truth() bool { return string(r.raw()) == "t" }

// number reads an integer; null is 0.
func (r *record) number() int64 {
	b := r.raw()
	if b == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	r.fail(err)
	return n
}

// lsn reads a log position; null is 0.
func (r *record) lsn() pg.LSN {
	b := r.raw()
	if b == nil {
		return 0
	}
	l, err := pg.ParseLSN(string(b))
	r.fail(err)
	return l
}

// sqlState is the SQLSTATE of a server's error, or "".
func sqlState(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code
	}
	return ""
}

// The SQLSTATEs that decisions hang on (PostgreSQL manual, appendix A).
const (
	uniqueViolation   = "23505"
	insufficientRight = "42501"
	undefinedTable    = "42P01"
	undefinedSchema   = "3F000"
	undefinedObject   = "42704"
	undefinedFunction = "42883"
	duplicateObject   = "42710"
	objectInUse       = "55006"
	lockNotAvailable  = "55P03"
	dependentObjects  = "2BP01"
)
