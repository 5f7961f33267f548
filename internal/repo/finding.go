package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Finding is one finding of a judgement. Worker and Seq name the attempt that it
// is about, as far as there is one.
type Finding struct {
	Class  string
	Worker txn.Worker
	Seq    txn.Seq
	// Body is what else is to be said, as a JSON value; nil stands for an
	// empty object.
	Body json.RawMessage
}

// copyFindings stores the findings. The time until the next one comes is not the
// repo's.
func (r *Repo) copyFindings(w *watch, tx pgx.Tx, run txn.Run, findings iter.Seq2[Finding, error]) error {
	next, stop := iter.Pull2(findings)
	defer stop()
	number := int64(0)
	var broken error
	rows := pgx.CopyFromFunc(func() ([]any, error) {
		w.rest()
		f, err, more := next()
		w.await(r.wait)
		if !more || err != nil {
			broken = err
			return nil, err
		}
		number++
		return []any{number, f.Seq, run, f.Worker, f.Class, orEmpty(f.Body)}, nil
	})
	_, err := tx.CopyFrom(w.ctx, pgx.Identifier{"pgrpo", "finding"}, []string{"number", "seq", "run", "worker", "class", "body"}, rows)
	if broken != nil {
		return broken
	}
	return err
}

// Findings streams all findings of the run's last judgement in the order in
// which they were made. An error ends the stream.
func (r *Repo) Findings(ctx context.Context, run txn.Run) iter.Seq2[Finding, error] {
	return texts(ctx, r, fmt.Sprintf("read findings of run %d", run), func(row pgx.CollectableRow) (f Finding, err error) {
		err = row.Scan(&f.Class, &f.Worker, &f.Seq, (*[]byte)(&f.Body))
		return f, err
	}, "select class, worker, seq, body from pgrpo.finding where run = $1 order by number", run)
}
