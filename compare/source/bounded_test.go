package source

import (
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// long is evidence whose ledgers are made up while they are read.
type long struct {
	*memory
	attempts int
}

func (l long) Entries(txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		for i := range l.attempts {
			e := txn.Entry{Sent: time.Duration(i) * time.Millisecond, Took: time.Duration(txn.Mix(uint64(i)) % 1e6), Conn: 1, Outcome: txn.Acked}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// How long a run was has no part in the memory that its evidence takes, to keep
// and to read.
func TestMemoryIsBounded(t *testing.T) {
	const attempts = 500_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	m, f := newMemory()
	dir := t.TempDir() + "/evidence"
	before, peak := heap(), uint64(0)
	walk := func(s compare.Streams) {
		t.Helper()
		n := 0
		for _, err := range s.Entries(0) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%50_000 == 0 {
				peak = max(peak, heap())
			}
		}
		if n != attempts {
			t.Errorf("%d entries, want %d", n, attempts)
		}
	}
	tee := NewTee(dir, "v0", testCase(compare.PayloadSums), f, long{m, attempts})
	walk(tee)
	if err := tee.Keep(nil); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	walk(d)
	// All entries at once would take 32 MB.
	if grown := int64(peak) - int64(before); grown > 12<<20 {
		t.Errorf("the heap grew by %d kB", grown>>10)
	} else {
		t.Logf("the heap grew by %d kB", grown>>10)
	}
}
