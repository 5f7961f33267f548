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

// Sample is one answer of a node to a question that is asked again and again.
type Sample struct {
	At   time.Time
	Took time.Duration // to the microsecond
	Node string
	// Body is the answer as a JSON value; nil stands for an empty object.
	Body json.RawMessage
}

// AddSamples stores samples, all or none.
func (r *Repo) AddSamples(ctx context.Context, run txn.Run, samples ...Sample) error {
	return addAll(ctx, r, fmt.Sprintf("add samples of run %d", run), "insert into pgrpo.sample (run, at, took, node, body) values ($1, $2, $3, $4, $5)", samples,
		func(s Sample) []any { return []any{run, s.At, s.Took, s.Node, orEmpty(s.Body)} })
}

// Samples streams the samples of a run by time. An error ends the stream.
func (r *Repo) Samples(ctx context.Context, run txn.Run) iter.Seq2[Sample, error] {
	return texts(ctx, r, fmt.Sprintf("read samples of run %d", run), func(row pgx.CollectableRow) (s Sample, err error) {
		err = row.Scan(&s.At, &s.Took, &s.Node, (*[]byte)(&s.Body))
		return s, err
	}, "select at, took, node, body from pgrpo.sample where run = $1 order by at, number", run)
}
