package writer

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestReceipts(t *testing.T) {
	r := NewReceipts([]txn.Worker{3, 4})
	ctx, cancel := context.WithCancel(t.Context())
	r.Stored(9, 100)
	r.Stored(3, 5)
	r.Stored(3, 2)
	check(t, r.await(ctx, 3, 5))
	var group sync.WaitGroup
	passed := make(chan txn.Seq, 1)
	group.Go(func() {
		if err := r.await(ctx, 4, 7); err != nil {
			t.Error(err)
		}
		passed <- r.stored[4]
	})
	for seq := range txn.Seq(7) {
		r.Stored(3, seq+100)
		r.Stored(4, seq+1)
	}
	if at := <-passed; at != 7 {
		t.Errorf("passed at seq %d, want 7", at)
	}
	group.Go(func() {
		if err := r.await(ctx, 4, 8); !errors.Is(err, context.Canceled) {
			t.Errorf("await: %v, want the context's error", err)
		}
	})
	cancel()
	group.Wait()
}

// A worker takes no seq before the entry before it is said to be stored; a long
// wait is kept as a stall; the end of the load ends the wait.
func TestWorkersWaitForTheRepo(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 3)
	l.config.Receipts = NewReceipts(l.config.Workers)
	l.start()
	entries := func(w txn.Worker) txn.Seq {
		l.mu.Lock()
		defer l.mu.Unlock()
		return txn.Seq(len(l.entries[w]))
	}
	for seq := range txn.Seq(5) {
		for _, w := range l.config.Workers {
			until(t, "the next entry", func() bool { return entries(w) >= seq+1 })
		}
		if seq == 2 {
			// Long enough for a stall.
			from := l.config.Journal.Now()
			until(t, "time", func() bool { return l.config.Journal.Now()-from > 2*slowReceipt })
		}
		for _, w := range l.config.Workers {
			if n := entries(w); n != seq+1 {
				t.Fatalf("worker %d has %d entries while %d are stored", w, n, seq)
			}
			l.config.Receipts.Stored(w, seq+1)
		}
	}
	l.stop() // though no worker is let go on
	l.verify()
	reader, err := journal.Open(l.path)
	check(t, err)
	defer reader.Close()
	stalls := 0
	for f, err := range reader.Frames() {
		check(t, err)
		if s, ok := f.Body.(journal.Stall); ok && s.Cause == "repo" && s.To-s.From >= slowReceipt {
			stalls++
		}
	}
	if stalls < len(l.config.Workers) {
		t.Errorf("%d stalls, want %d or more", stalls, len(l.config.Workers))
	}
}
