package writer

import (
	"context"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// slowReceipt is how long a worker may wait for the repo before the wait is kept
// as a stall of the driver.
const slowReceipt = 250 * time.Millisecond

// Receipts tells workers which of their entries are durable on the repo, for a
// load whose workers send nothing more until the last entry is. It is safe for
// concurrent use. It is made by [NewReceipts] for the workers of one driver.
type Receipts struct {
	mu     sync.Mutex
	stored map[txn.Worker]txn.Seq
	turn   map[txn.Worker]chan struct{}
}

// NewReceipts makes receipts of nothing for these workers.
func NewReceipts(workers []txn.Worker) *Receipts {
	r := &Receipts{stored: make(map[txn.Worker]txn.Seq), turn: make(map[txn.Worker]chan struct{})}
	for _, w := range workers {
		r.turn[w] = make(chan struct{}, 1)
	}
	return r
}

// Stored says that a worker's entries up to seq are durable on the repo. It
// never blocks; what it said of a greater seq stands, and other drivers' workers
// are ignored.
func (r *Receipts) Stored(w txn.Worker, seq txn.Seq) {
	r.mu.Lock()
	defer r.mu.Unlock()
	turn, known := r.turn[w]
	if !known || seq <= r.stored[w] {
		return
	}
	r.stored[w] = seq
	select {
	case turn <- struct{}{}:
	default:
	}
}

// await waits until the worker's entries up to seq are durable on the repo. One
// goroutine waits for one worker.
func (r *Receipts) await(ctx context.Context, w txn.Worker, seq txn.Seq) error {
	for {
		r.mu.Lock()
		has, turn := r.stored[w], r.turn[w]
		r.mu.Unlock()
		if has >= seq {
			return nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// receipt waits, where the load is of that kind, until the entry is durable on
// the repo. A long wait is the driver's own stall, and no outage of the service.
// The context's end ends it without an error; otherwise its only error is the
// journal's.
func (w *worker) receipt(ctx context.Context, seq txn.Seq) error {
	if w.load.Receipts == nil {
		return nil
	}
	from := w.load.Journal.Now()
	err := w.load.Journal.Sync(ctx)
	if err == nil {
		err = w.load.Receipts.await(ctx, w.number, seq)
	}
	if to := w.load.Journal.Now(); to-from > slowReceipt {
		w.load.Journal.Stall(txn.Stall{From: from, To: to, Cause: "repo"})
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
