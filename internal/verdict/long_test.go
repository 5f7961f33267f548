package verdict_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// BenchmarkLongRun loads a real server with 200 000 transactions of every kind of
// operation, captures them, and judges them twice, by sums and by payloads: there
// is nothing to find. One process does it all, and has little resident.
func BenchmarkLongRun(b *testing.B) {
	const attempts, limit = 200_000, 150
	for b.Loop() {
		c := config(b)
		c.Mix, c.Duration, c.Grace = plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 40}, 0, 20*time.Minute
		c.Fault = func(ctx context.Context) error {
			// The last seq of each worker: to count the markers would be a load of its own.
			return untilHolds(ctx, c.Primary, fmt.Sprintf(`select coalesce(sum((select max(seq) from pgrpo.marker m where m.run = r.run and m.worker = w)), 0) >= %d
 from pgrpo.run r, generate_series(0, %d) w`, attempts, c.Workers-1))
		}
		begun := time.Now()
		e, err := run.Do(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		loaded := time.Now()
		for _, payload := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
			r, err := verdict.Reach(b.Context(), e, compare.Case{Expect: compare.ExpectNone, Payload: payload})
			if err != nil {
				b.Fatal(err)
			}
			if r.Judged() != compare.Met || len(r.Findings) != 0 || r.Attempts.Sent < attempts || !r.Capture.Complete || !r.Witnesses.Agree {
				b.Errorf("payload %s: verdict %s, %d attempts, findings %+v: %q", r.Payload, r.Verdict, r.Attempts.Sent, r.Findings, r.Reasons)
			}
			b.ReportMetric(float64(r.Attempts.Acked)/loaded.Sub(begun).Seconds(), "transactions/s")
		}
		b.ReportMetric(time.Since(loaded).Seconds(), "s-to-judge")
		if err := e.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
		mib, err := resident()
		if b.ReportMetric(float64(mib), "MiB-resident"); err != nil || mib > limit {
			b.Errorf("%d MiB resident, want at most %d: %v", mib, limit, err)
		}
	}
}
