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

// SlotRow is one look at a replication slot on a node.
type SlotRow struct {
	At         time.Time
	Node, Name string
	// Body is what the look showed, as a JSON value; nil stands for an
	// empty object.
	Body json.RawMessage
}

const insertSlot = "insert into pgrpo.slot (run, at, node, name, body) values ($1, $2, $3, $4, $5)"

// AddSlots stores looks at slots of one who has no journal, all or none.
func (r *Repo) AddSlots(ctx context.Context, run txn.Run, rows ...SlotRow) error {
	return addAll(ctx, r, fmt.Sprintf("add slots of run %d", run), insertSlot, rows,
		func(s SlotRow) []any { return []any{run, s.At, s.Node, s.Name, orEmpty(s.Body)} })
}

// Slots streams the looks at slots by time. An error ends the stream.
func (r *Repo) Slots(ctx context.Context, run txn.Run) iter.Seq2[SlotRow, error] {
	return texts(ctx, r, fmt.Sprintf("read slots of run %d", run), func(row pgx.CollectableRow) (s SlotRow, err error) {
		err = row.Scan(&s.At, &s.Node, &s.Name, (*[]byte)(&s.Body))
		return s, err
	}, "select at, node, name, body from pgrpo.slot where run = $1 order by at, number", run)
}
