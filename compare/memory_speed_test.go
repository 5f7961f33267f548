package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// BenchmarkTwoMillionAttempts judges a run of that many attempts of every kind in
// four ledgers, of whose rows one in each bucket is wrong. It reports what the
// process held at most; to make up the evidence is a part of it.
func BenchmarkTwoMillionAttempts(b *testing.B) {
	const attempts, workers, limit = 2_000_000, 4, 150 << 20
	peak := uint64(0)
	for b.Loop() {
		ev := &endless{workers: workers, attempts: attempts / workers, faults: txn.BucketRows}
		c := testCase()
		c.Mix = endlessMix
		res, err := compare.Judge(c, ev.facts(), ev, nil)
		if err != nil || res.Attempts.Sent != attempts {
			b.Fatalf("%d attempts, %v", res.Attempts.Sent, err)
		}
		peak = max(peak, ev.peak)
	}
	b.ReportMetric(float64(peak>>20), "MiB-held")
	b.ReportMetric(attempts*float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
	if peak == 0 || peak > limit {
		b.Errorf("%d MiB held, want at most %d", peak>>20, limit>>20)
	}
}
