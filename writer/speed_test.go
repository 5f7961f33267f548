package writer

import (
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// BenchmarkSession measures acked transactions of one operation, closed loop,
// on one connection and on several.
func BenchmarkSession(b *testing.B) {
	for _, bb := range []struct {
		name    string
		workers int
	}{{"1 worker", 1}, {"8 workers", 8}} {
		b.Run(bb.name, func(b *testing.B) {
			l := prepare(b, shared, shared.DSN("postgres"), bb.workers)
			l.config.Mix = plan.Mix{Insert: 50, Update: 50, MaxOps: 1, PayloadBytes: 100}
			j, err := journal.Create(filepath.Join(b.TempDir(), "0.journal"), journal.Header{Run: l.config.Run})
			check(b, err)
			l.config.Journal, l.config.Observer = j, deaf{}
			g := newGate()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error, bb.workers)
			b.ReportAllocs()
			for i := range l.config.Workers {
				w := newWorker(l.config, g, i, 0)
				for w.session == nil {
					check(b, w.connect(b.Context()))
				}
				go func() {
					defer w.hangUp()
					for left.Add(-1) >= 0 {
						if err := w.attempt(b.Context()); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range bb.workers {
				check(b, <-done)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txn/s")
			check(b, j.Close(b.Context()))
		})
	}
}

// BenchmarkCompose measures the client's own work for one operation.
func BenchmarkCompose(b *testing.B) {
	c := composer{seed: 1, payload: 100, all: statements(0)}
	for s := range shapes {
		c.prepared[s] = true
	}
	a := txn.Attempt{ID: txn.ID{Run: 1, Worker: 0, Seq: 1}, Ops: []txn.Op{{Kind: txn.Insert, ID: 1}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.compose(a, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
