package repo_test

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// heap is what the heap holds after a collection, in MiB.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc >> 20)
}

// While the repo is away the entries wait on disk, not in memory: neither the
// journal that grows nor its shipping afterwards takes more than a little of it.
func TestShipWaitsOnDisk(t *testing.T) {
	const workers, each, limit = 4, 500_000, 25 // MiB
	ctx := t.Context()
	r, name := fresh(t)
	d := drive(t, r, workers)
	link, err := relay.Listen(ctx, server.Addr())
	must(t, err)
	defer link.Close()
	distant := opened(t, dsn(t, name, "", link.Addr()))
	header := d.written(t).Header
	var stored atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- distant.Ship(ctx, repo.Shipment{
			Header: header, Source: d.Follow, Every: time.Millisecond, Part: time.Millisecond,
			Stored: func(_ txn.Worker, seq txn.Seq) { stored.Store(int64(seq)) },
		})
	}()
	d.put(t, 0, 1, 1)
	for deadline := time.Now().Add(time.Minute); stored.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the first entry is not stored")
		}
		runtime.Gosched()
	}
	link.Cut()
	before, most := heap(), 0
	look := func() { most = max(most, heap()-before) }
	var group sync.WaitGroup
	for w := range txn.Worker(workers) {
		first := txn.Seq(1)
		if w == 0 {
			first = 2
		}
		group.Go(func() {
			a, e := d.Account(w), entry(w, 1)
			for seq := first; seq <= each; seq++ {
				if _, err := a.Next(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
					return
				}
				a.Put(seq, e)
			}
		})
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		group.Wait()
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		case <-tick.C:
		}
		look()
	}
	must(t, d.Sync(ctx))
	look()
	info, err := os.Stat(d.path)
	must(t, err)
	if got := value(t, name, "select coalesce(sum(n), 0) from pgrpo.ledger"); got != "1" {
		t.Fatalf("%s entries in the repo, want 1 while it is away", got)
	}
	link.Resume()
	must(t, d.Close(ctx))
	for shipping := true; shipping; {
		select {
		case err := <-done:
			must(t, err)
			shipping = false
		case <-tick.C:
		}
		look()
	}
	if got := value(t, name, "select sum(n) || ' ' || sum(length(entries)) / 44 || ' ' || (select sum(shipped) from pgrpo.worker) from pgrpo.ledger"); got != "2000000 2000000 2000000" {
		t.Errorf("entries, their bytes and marks: %s, want 2000000 each", got)
	}
	for w := range txn.Worker(workers) {
		if n := len(ledger(t, r, w)) / txn.EntryBytes; n != each {
			t.Errorf("worker %d: %d entries in turn, want %d", w, n, each)
		}
	}
	t.Logf("%d MiB of journal, at most %d MiB more on the heap", info.Size()>>20, most)
	// What is under way when a slow machine looks is a few parts of the journal.
	if most > limit || info.Size()>>20 < 3*limit {
		t.Errorf("%d MiB of journal, at most %d MiB more on the heap, want %d", info.Size()>>20, most, limit)
	}
}
