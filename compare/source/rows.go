package source

import (
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Buckets gives the sums of the worker's surviving rows: those of [Live.Sum]
// where it made them, else the survivor is asked now.
func (l *Live) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	if sums, there := l.sums[w]; there || l.Survivor == nil {
		return sums, nil
	}
	return l.Survivor.Buckets(l.Context, l.Run, w)
}

// Rows gives the worker's surviving rows with ids from first to last by
// ascending id.
func (l *Live) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	if l.Survivor == nil {
		return func(func(txn.Row, error) bool) {}
	}
	return l.Survivor.RowsIn(l.Context, l.Run, w, first, last)
}

// Contents gives them with their payload, which is valid until the next.
func (l *Live) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	if l.Survivor == nil {
		return func(func(txn.Content, error) bool) {}
	}
	return l.Survivor.Contents(l.Context, l.Run, w, first, last)
}

// Sum sums the rows of all these workers beforehand, on several connections at
// once that joined the survivor's moment. The sums of a worker that fail are
// made again when they are asked for, and the error is returned.
func (l *Live) Sum(workers []txn.Worker, joined []*node.Snapshot) error {
	l.sums = make(map[txn.Worker][]txn.Bucket)
	work := make(chan txn.Worker, len(workers))
	for _, w := range workers {
		work <- w
	}
	close(work)
	var mu sync.Mutex
	var group errgroup.Group
	for _, s := range joined {
		group.Go(func() error {
			for w := range work {
				sums, err := s.Buckets(l.Context, l.Run, w)
				if err != nil {
					return err
				}
				mu.Lock()
				l.sums[w] = sums
				mu.Unlock()
			}
			return nil
		})
	}
	return group.Wait()
}
