package repo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const insertConnection = `
	insert into pgrpo.connection (run, observer, number, at, system, timeline, start, insert_lsn, has_history, history,
		floor, marker, branch, backend, address, version, sync_commit, sync_standbys)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
	on conflict do nothing`

// connectionArgs are the arguments of insertConnection.
func connectionArgs(run txn.Run, c txn.Connection) []any {
	return []any{
		run, c.Observer, int64(c.Number), c.At, int64(c.System), int64(c.Timeline), int64(c.Start), lsn(c.Insert), c.HasHistory, c.History.Text(),
		lsn(c.Floor), int16(c.Marker), c.Branch, c.Backend, c.Address, c.Version, c.SyncCommit, c.SyncStandbys,
	}
}

// AddContact stores a connection of an observer that has no journal: capture
// (-1) or the judge (-2). One without a number gets the observer's next; one
// whose number is stored already is left as it is.
func (r *Repo) AddContact(ctx context.Context, run txn.Run, c txn.Connection) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := lockRun(ctx, tx, run); err != nil {
			return err
		}
		if c.Number == 0 {
			var next int64
			if err := tx.QueryRow(ctx, "select coalesce(max(number), 0) + 1 from pgrpo.connection where run = $1 and observer = $2", run, c.Observer).Scan(&next); err != nil {
				return err
			}
			c.Number = uint32(next)
		}
		_, err := tx.Exec(ctx, insertConnection, connectionArgs(run, c)...)
		return err
	})
	if err != nil {
		return r.failed(fmt.Sprintf("add connection to %s of run %d", c.Address, run), err)
	}
	return nil
}

// Contacts returns the connections of all observers, by time.
func (r *Repo) Contacts(ctx context.Context, run txn.Run) ([]txn.Connection, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, `
		select observer, number, at, system, timeline, start, insert_lsn, has_history, history,
			floor, marker, branch, backend, address, version, sync_commit, sync_standbys
		from pgrpo.connection where run = $1 order by at, observer, number`, run)
	found, err := collect(rows, err, scanConnection)
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read connections of run %d", run), err)
	}
	return found, nil
}

func scanConnection(row pgx.CollectableRow) (c txn.Connection, err error) {
	var system, timeline int64
	var marker int16
	var history string
	err = row.Scan(&c.Observer, &c.Number, &c.At, &system, &timeline, &c.Start, (*lsn)(&c.Insert), &c.HasHistory, &history,
		(*lsn)(&c.Floor), &marker, &c.Branch, &c.Backend, &c.Address, &c.Version, &c.SyncCommit, &c.SyncStandbys)
	if err != nil {
		return txn.Connection{}, err
	}
	c.System, c.Timeline, c.Marker = pg.SystemID(system), pg.Timeline(timeline), pg.Presence(marker)
	c.History, err = pg.ParseHistory(history)
	return c, err
}
