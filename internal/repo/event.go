package repo

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Event is something that happened in a run, for people.
type Event struct {
	At   time.Time
	Kind string
	// Body is a JSON value; nil stands for an empty object.
	Body json.RawMessage
}

const insertEvent = "insert into pgrpo.event (run, at, kind, body) values ($1, $2, $3, $4)"

// AddEvent stores an event of one who has no journal.
func (r *Repo) AddEvent(ctx context.Context, run txn.Run, e Event) error {
	_, err := r.exec(ctx, fmt.Sprintf("add event %s of run %d", e.Kind, run),
		insertEvent, run, e.At, e.Kind, orEmpty(e.Body))
	return err
}

// Events streams the events of a run by time. An error ends the stream.
func (r *Repo) Events(ctx context.Context, run txn.Run) iter.Seq2[Event, error] {
	return texts(ctx, r, fmt.Sprintf("read events of run %d", run), func(row pgx.CollectableRow) (e Event, err error) {
		err = row.Scan(&e.At, &e.Kind, (*[]byte)(&e.Body))
		return e, err
	}, "select at, kind, body from pgrpo.event where run = $1 order by at, number", run)
}
