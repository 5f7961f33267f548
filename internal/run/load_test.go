package run

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgrpo/pgrpo/internal/live"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A load ends at its time, or later while the service is out or the fault is
// still being caused, but never later than its grace.
func TestTheEndOfTheLoad(t *testing.T) {
	broken := errors.New("broken")
	hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	for _, tc := range []struct {
		name  string
		fault func(context.Context) error
		// silent is when the service stops to acknowledge, back when it
		// goes on; refused says that it refuses connections meanwhile.
		silent, back time.Duration
		refused      bool
		ends         time.Duration
		says         string
	}{
		{"nothing happens", nil, time.Hour, 0, false, 20 * time.Second, ""},
		{"out at the end", nil, 15 * time.Second, 30 * time.Second, true, 30 * time.Second, ""},
		{"hanging at the end", nil, 15 * time.Second, 30 * time.Second, false, 30 * time.Second, ""},
		{"never back", nil, 15 * time.Second, time.Hour, true, 80 * time.Second, ""},
		{"the fault fails at once", func(context.Context) error { return broken }, time.Hour, 0, false, 10 * time.Second, "broken"},
		{"the fault fails half way", func(context.Context) error { return broken }, 9 * time.Second, 25 * time.Second, true, 25 * time.Second, "broken"},
		{"the fault hangs", hang, time.Hour, 0, false, 80 * time.Second, "did not end in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counters, begun := &live.Counters{}, time.Now()
				now := func() time.Duration { return time.Since(begun) }
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() {
					for sleep(ctx, 100*time.Millisecond) {
						if n := now(); n < tc.silent || n >= tc.back {
							counters.Entry(0, 1, txn.Entry{Sent: n, Outcome: txn.Acked})
						} else if tc.refused {
							counters.Probe(txn.Probe{At: n, Fault: txn.Refused})
						}
					}
				}()
				c := Config{Warmup: 10 * time.Second, Duration: 20 * time.Second, Fault: tc.fault}.timeouts()
				tr := &trial{config: c, log: slog.New(slog.DiscardHandler)}
				err := tr.direct(ctx, counters, now)
				if took := now(); took < tc.ends || took > tc.ends+time.Second {
					t.Errorf("ended after %v, want %v", took, tc.ends)
				}
				if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v, want %q", err, tc.says)
				}
				stop()
				synctest.Wait()
			})
		})
	}
}
