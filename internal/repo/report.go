package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// ErrNoReport says that the run was not judged yet.
var ErrNoReport = errors.New("no report")

// SaveReport stores a judgement, the report with all findings, in the place of
// the run's earlier one, in one transaction. An error among the findings stores
// nothing and is returned. Findings are many: each wait for the repo is bounded,
// the whole is not.
func (r *Repo) SaveReport(ctx context.Context, run txn.Run, report json.RawMessage, findings iter.Seq2[Finding, error]) error {
	w := watched(ctx, r.wait)
	defer w.over()
	err := pgx.BeginFunc(w.ctx, r.pool, func(tx pgx.Tx) error {
		if err := lockRun(w.ctx, tx, run); err != nil {
			return err
		}
		w.await(removeTime)
		if _, err := tx.Exec(w.ctx, "delete from pgrpo.finding where run = $1", run); err != nil {
			return err
		}
		if err := r.copyFindings(w, tx, run, findings); err != nil {
			return err
		}
		_, err := tx.Exec(w.ctx, `insert into pgrpo.report (run, body) values ($1, $2)
			on conflict (run) do update set judged_at = now(), body = excluded.body`, run, report)
		return err
	})
	if err = w.explain(err); err != nil {
		return r.failed(fmt.Sprintf("save report of run %d", run), err)
	}
	return nil
}

// Report returns the run's last report, byte for byte, or an [ErrNoReport].
func (r *Repo) Report(ctx context.Context, run txn.Run) (json.RawMessage, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var body []byte
	err := r.pool.QueryRow(ctx, "select body from pgrpo.report where run = $1", run).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoReport
	}
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read report of run %d", run), err)
	}
	return body, nil
}
