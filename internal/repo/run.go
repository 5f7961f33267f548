package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var (
	// ErrRunExists says that the run's number is taken.
	ErrRunExists = errors.New("run exists")
	// ErrNoRun says that the repo knows no such run.
	ErrNoRun = errors.New("no such run")
)

// RunRow is what the repo keeps of a run from its start.
type RunRow struct {
	Run       txn.Run
	Seed      uint64
	Mix       plan.Mix
	StartedAt time.Time
	// System is the system identifier of the primary at the start.
	System pg.SystemID
	// Config is the run's configuration as JSON, without secrets; nil
	// stands for an empty object.
	Config json.RawMessage
	// Version is the version of the program.
	Version string
}

// AddRun stores a new run. It returns an [ErrRunExists] where the number is
// taken: the caller then takes the next second.
func (r *Repo) AddRun(ctx context.Context, row RunRow) error {
	mix, err := json.Marshal(row.Mix)
	if err != nil {
		return fmt.Errorf("add run %d: %w", row.Run, err)
	}
	_, err = r.exec(ctx, fmt.Sprintf("add run %d", row.Run), `
		insert into pgrpo.run (run, seed, system, started_at, mix, config, version)
		values ($1, $2, $3, $4, $5, $6, $7)`,
		row.Run, int64(row.Seed), int64(row.System), row.StartedAt, mix, orEmpty(row.Config), row.Version)
	if stateOf(err) == stateUnique {
		return fmt.Errorf("add run %d to repo %s: %w", row.Run, r.name, ErrRunExists)
	}
	return err
}

// orEmpty makes an empty object of no JSON.
func orEmpty(body json.RawMessage) json.RawMessage {
	if len(body) == 0 {
		return json.RawMessage("{}")
	}
	return body
}

const selectRuns = "select run, seed, system, started_at, mix, config, version from pgrpo.run"

func scanRun(row pgx.CollectableRow) (out RunRow, err error) {
	var seed, system int64
	var mix, config []byte
	if err := row.Scan(&out.Run, &seed, &system, &out.StartedAt, &mix, &config, &out.Version); err != nil {
		return RunRow{}, err
	}
	out.Seed, out.System, out.Config = uint64(seed), pg.SystemID(system), config
	return out, json.Unmarshal(mix, &out.Mix)
}

// Run returns a run, or an [ErrNoRun].
func (r *Repo) Run(ctx context.Context, run txn.Run) (RunRow, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, selectRuns+" where run = $1", run)
	found, err := collect(rows, err, scanRun)
	switch {
	case err != nil:
		return RunRow{}, r.failed(fmt.Sprintf("read run %d", run), err)
	case len(found) == 0:
		return RunRow{}, fmt.Errorf("read run %d in repo %s: %w", run, r.name, ErrNoRun)
	}
	return found[0], nil
}

// Runs returns all runs, the oldest first.
func (r *Repo) Runs(ctx context.Context) ([]RunRow, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, selectRuns+" order by run")
	found, err := collect(rows, err, scanRun)
	if err != nil {
		return nil, r.failed("read runs", err)
	}
	return found, nil
}

// tables are all tables that are by run, the run's own last.
func tables() []string {
	return []string{
		"driver", "worker", "branch", "connection", "ledger", "commit", "change", "progress", "high_water", "gap",
		"probe", "stall", "sentinel", "event", "slot", "sample", "finding", "report", "run",
	}
}

// RemoveRun deletes all that the repo has of one run, in one transaction. A run
// that is not there is no error. Runs are large: each table may take an hour.
func (r *Repo) RemoveRun(ctx context.Context, run txn.Run) error {
	w := watched(ctx, r.wait)
	defer w.over()
	err := pgx.BeginFunc(w.ctx, r.pool, func(tx pgx.Tx) error {
		for _, table := range tables() {
			w.await(removeTime)
			if _, err := tx.Exec(w.ctx, "delete from "+pgx.Identifier{"pgrpo", table}.Sanitize()+" where run = $1", run); err != nil {
				return err
			}
		}
		return nil
	})
	if err = w.explain(err); err != nil {
		return r.failed(fmt.Sprintf("remove run %d", run), err)
	}
	return nil
}
