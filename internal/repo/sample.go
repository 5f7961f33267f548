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
	ctx, cancel := bounded(ctx)
	defer cancel()
	batch := &pgx.Batch{}
	for _, s := range samples {
		batch.Queue("insert into pgrpo.sample (run, at, took, node, body) values ($1, $2, $3, $4, $5)", run, s.At, s.Took, s.Node, orEmpty(s.Body))
	}
	// A batch outside a transaction is one.
	if err := r.pool.SendBatch(ctx, batch).Close(); err != nil {
		return r.failed(fmt.Sprintf("add samples of run %d", run), err)
	}
	return nil
}

// Samples streams the samples of a run by time. An error ends the stream.
func (r *Repo) Samples(ctx context.Context, run txn.Run) iter.Seq2[Sample, error] {
	return texts(ctx, r, fmt.Sprintf("read samples of run %d", run), func(row pgx.CollectableRow) (s Sample, err error) {
		err = row.Scan(&s.At, &s.Took, &s.Node, (*[]byte)(&s.Body))
		return s, err
	}, "select at, took, node, body from pgrpo.sample where run = $1 order by at, number", run)
}
