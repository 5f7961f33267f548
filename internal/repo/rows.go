package repo

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"
)

// orNone is the row's value, or the zero value where the column was null.
func orNone[T any](v *T) (none T) {
	if v != nil {
		return *v
	}
	return none
}

// collect reads all rows of a small table.
func collect[T any](rows pgx.Rows, err error, row pgx.RowToFunc[T]) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, row)
}

// addAll stores rows with one statement for each, all or none.
func addAll[T any](ctx context.Context, r *Repo, what, sql string, rows []T, args func(T) []any) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	batch := &pgx.Batch{}
	for _, row := range rows {
		batch.Queue(sql, args(row)...)
	}
	// A batch outside a transaction is one.
	if err := r.pool.SendBatch(ctx, batch).Close(); err != nil {
		return r.failed(what, err)
	}
	return nil
}

// stream reads rows in binary and decodes each in place; a failure of the query
// or of a row is the last element. It holds a connection until it ends. Each
// wait for the repo is bounded; the time that the reader takes for a row is not.
func stream[T any](ctx context.Context, r *Repo, what string, decode func([][]byte) (T, error), sql string, args ...any) iter.Seq2[T, error] {
	inPlace := func(row pgx.CollectableRow) (T, error) { return decode(row.RawValues()) }
	return texts(ctx, r, what, inPlace, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
}

// texts reads rows as [stream] does, but scans them, which is for tables of few
// rows.
func texts[T any](ctx context.Context, r *Repo, what string, scan pgx.RowToFunc[T], sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		w := watched(ctx, r.wait)
		defer w.over()
		rows, err := r.pool.Query(w.ctx, sql, args...)
		if err != nil {
			yield(none, r.failed(what, w.explain(err)))
			return
		}
		defer func() {
			// What a reader left is read to its end here.
			w.await(r.wait)
			rows.Close()
		}()
		for rows.Next() {
			w.rest()
			v, err := scan(rows)
			if err != nil {
				yield(none, r.failed(what, err))
				return
			}
			if !yield(v, nil) {
				return
			}
			w.await(r.wait)
		}
		if err := rows.Err(); err != nil {
			yield(none, r.failed(what, w.explain(err)))
		}
	}
}
