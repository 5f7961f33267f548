package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Permanent tells the errors that no waiting mends: those of our own, and the
// classes 0A (not supported), 22 (data), 23 (constraint), 28 (authorization),
// 3D and 3F (no such database, schema) and 42 (rights, no such table).
func Permanent(err error) bool {
	if errors.Is(err, ErrRewound) || errors.Is(err, ErrFenced) || errors.Is(err, ErrOtherJournal) || errors.Is(err, ErrNoRun) {
		return true
	}
	state := stateOf(err)
	if len(state) < 2 {
		return false
	}
	switch state[:2] {
	case "0A", "22", "23", "28", "3D", "3F", "42":
		return true
	}
	return false
}

// try stores what waits in one transaction. It takes the marks from the repo,
// under a lock, and stores only what lies past them; so after an error, when it
// is unknown what was stored, it can be called again.
func (p *parcel) try(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var marks map[txn.Worker]txn.Seq
	err := pgx.BeginFunc(ctx, p.repo.pool, func(tx pgx.Tx) error {
		shipped, err := p.lock(ctx, tx)
		if err != nil {
			return err
		}
		if marks, err = p.marks(ctx, tx); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		run, driver := p.Header.Run, p.Header.Driver
		for _, b := range p.blocks {
			if b = b.after(marks[b.worker]); b.len() > 0 {
				b.queue(batch, run, driver)
				marks[b.worker] = b.last()
			}
		}
		for w, seq := range marks {
			batch.Queue(`insert into pgrpo.worker as w (run, worker, driver, shipped) values ($1, $2, $3, $4)
				on conflict (run, worker) do update set shipped = excluded.shipped where w.shipped < excluded.shipped`, run, w, driver, seq)
		}
		for _, f := range p.records {
			if f.End > shipped {
				queueRecord(batch, p.Header, f.Body)
			}
		}
		batch.Queue("update pgrpo.driver set shipped = greatest(shipped, $3) where run = $1 and driver = $2", run, driver, p.end)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err == nil && p.Stored != nil {
		for w, seq := range marks {
			p.Stored(w, seq)
		}
	}
	return err
}

// lock locks the driver's row, which it makes if the repo does not have it yet,
// and returns the mark.
func (p *parcel) lock(ctx context.Context, tx pgx.Tx) (shipped int64, err error) {
	h := p.Header
	var started *int64
	const read = "select shipped, started_ns from pgrpo.driver where run = $1 and driver = $2 for update"
	err = tx.QueryRow(ctx, read, h.Run, h.Driver).Scan(&shipped, &started)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := lockRun(ctx, tx, h.Run); err != nil {
			return 0, err
		}
		_, err = tx.Exec(ctx, "insert into pgrpo.driver (run, driver, pid, host) values ($1, $2, $3, $4) on conflict do nothing", h.Run, h.Driver, h.Pid, h.Host)
		if err == nil {
			err = tx.QueryRow(ctx, read, h.Run, h.Driver).Scan(&shipped, &started)
		}
	}
	switch {
	case err != nil:
		return 0, err
	case started == nil:
		_, err = tx.Exec(ctx, "update pgrpo.driver set started_at = $3, started_ns = $4, pid = $5, host = $6 where run = $1 and driver = $2",
			h.Run, h.Driver, h.Started, h.Started.UnixNano(), h.Pid, h.Host)
	case *started != h.Started.UnixNano():
		err = fmt.Errorf("driver %d of run %d: %w", h.Driver, h.Run, ErrOtherJournal)
	}
	if err == nil && shipped < p.stored {
		err = ErrRewound
	}
	return shipped, err
}

// marks returns up to which seq the repo has the entries of each worker of
// which a block waits.
func (p *parcel) marks(ctx context.Context, tx pgx.Tx) (map[txn.Worker]txn.Seq, error) {
	marks := map[txn.Worker]txn.Seq{}
	var workers []txn.Worker
	for _, b := range p.blocks {
		if _, known := marks[b.worker]; !known {
			marks[b.worker] = 0
			workers = append(workers, b.worker)
		}
	}
	rows, err := tx.Query(ctx, "select worker, driver, shipped from pgrpo.worker where run = $1 and worker = any ($2)", p.Header.Run, workers)
	if err != nil {
		return nil, err
	}
	var w txn.Worker
	var driver txn.Driver
	var shipped txn.Seq
	_, err = pgx.ForEachRow(rows, []any{&w, &driver, &shipped}, func() error {
		if driver != p.Header.Driver {
			return fmt.Errorf("worker %d of run %d is driver %d's: %w", w, p.Header.Run, driver, ErrOtherJournal)
		}
		marks[w] = shipped
		return nil
	})
	return marks, err
}

// queueRecord adds what a frame other than entries says to the batch.
func queueRecord(batch *pgx.Batch, h journal.Header, body journal.Body) {
	run, driver := h.Run, h.Driver
	switch b := body.(type) {
	case journal.Reserve:
		batch.Queue(`insert into pgrpo.worker as w (run, worker, driver, reserved) values ($1, $2, $3, $4)
			on conflict (run, worker) do update set reserved = greatest(w.reserved, excluded.reserved) where w.driver = excluded.driver`,
			run, b.Worker, driver, b.Upto)
	case journal.Connection:
		batch.Queue(insertConnection, connectionArgs(run, b.Connection)...)
	case journal.Probe:
		queueProbe(batch, run, driver, b.Probe)
	case journal.Stall:
		queueStall(batch, run, driver, b.Stall)
	case journal.Event:
		batch.Queue(insertEvent, run, h.Started.Add(b.At), b.Kind, orEmpty(b.Body))
	case journal.Slot:
		batch.Queue(insertSlot, run, h.Started.Add(b.At), b.Node, b.Name, orEmpty(b.Body))
	case journal.Sentinel:
		queueSentinel(batch, run, driver, b.Sentinel)
	case journal.Closed:
		for _, u := range b.Used {
			batch.Queue(`insert into pgrpo.worker as w (run, worker, driver, reserved, used) values ($1, $2, $3, $4, $5)
				on conflict (run, worker) do update set reserved = greatest(w.reserved, excluded.reserved), used = excluded.used
				where w.driver = excluded.driver`, run, u.Worker, driver, u.Upto, u.Used)
		}
		batch.Queue("update pgrpo.driver set closed = true where run = $1 and driver = $2", run, driver)
	}
}
