package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/capture"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
)

// Events reach the repo in their order, also if it is away for a while, and each
// outage once. A repo that stays away holds nobody up.
func TestChronicle(t *testing.T) {
	gap := capture.Event{Kind: capture.EventGap, Position: pg.Position{Branch: 2, LSN: 16}, Text: "not heard"}
	out := capture.Event{Kind: capture.EventDisconnected, Text: "refused"}
	for name, tc := range map[string]struct {
		away time.Duration
		want []string
	}{
		"there":         {0, []string{`gap {"text":"not heard","branch":2,"lsn":"0/10"}`, `disconnected {"text":"refused"}`, `gap {"text":"not heard","branch":2,"lsn":"0/10"}`}},
		"away at first": {3 * time.Second, []string{`gap {"text":"not heard","branch":2,"lsn":"0/10"}`, `disconnected {"text":"refused"}`, `gap {"text":"not heard","branch":2,"lsn":"0/10"}`}},
		"never back":    {time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stored []string
				begun := time.Now()
				c := startChronicle(t.Context(), slog.New(slog.DiscardHandler), func(_ context.Context, e repo.Event) error {
					if time.Since(begun) < tc.away {
						return errors.New("away")
					}
					if at := e.At.Sub(begun); at != 0 {
						t.Errorf("an event is %v late", at)
					}
					stored = append(stored, e.Kind+" "+string(e.Body))
					return nil
				})
				c.Event(gap)
				c.Event(out)
				for i := range 3 * mostEvents {
					c.Event(capture.Event{Kind: out.Kind, Text: fmt.Sprintf("refused from port %d", i)})
				}
				c.Event(gap)
				c.close()
				if took := time.Since(begun); took > eventPatience+time.Second {
					t.Errorf("it took %v to close", took)
				}
				if d := cmp.Diff(tc.want, stored); d != "" {
					t.Error(d)
				}
				if lost := c.lost + c.dropped; lost != 3-len(tc.want) {
					t.Errorf("%d told as not stored, want %d", lost, 3-len(tc.want))
				}
			})
		})
	}
}
