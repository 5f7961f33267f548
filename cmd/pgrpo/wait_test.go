package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
)

// patience is far more than anything here takes on a machine that is busy.
const patience = 2 * time.Minute

// until looks again and again until ok.
func until(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		done, err := ok(ctx)
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%v)", what, context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// untilFile waits until there is a file of that pattern.
func untilFile(ctx context.Context, pattern string) error {
	return until(ctx, pattern, func(context.Context) (bool, error) {
		found, err := filepath.Glob(pattern)
		return len(found) > 0, err
	})
}

// untilHolds waits until a server answers with true.
func untilHolds(ctx context.Context, v *sandbox.Server, question string) error {
	return until(ctx, question, func(ctx context.Context) (bool, error) {
		answer, err := v.Value(ctx, question)
		return answer == "t", err
	})
}

// untilMarkers waits until the load has left that many markers.
func untilMarkers(ctx context.Context, v *sandbox.Server, n int) error {
	return untilHolds(ctx, v, fmt.Sprintf("select count(*) >= %d from pgrpo.marker", n))
}

// untilMore waits until the load has left that many markers more.
func untilMore(ctx context.Context, v *sandbox.Server, n int) error {
	text, err := v.Value(ctx, "select count(*) from pgrpo.marker")
	if err != nil {
		return err
	}
	var had int
	if _, err := fmt.Sscan(text, &had); err != nil {
		return err
	}
	return untilMarkers(ctx, v, had+n)
}

// lose fails over from a primary that has acknowledged what the standby does not
// have: it is killed when it has taken more since replication was frozen.
func lose(ctx context.Context, c *scenario.Cluster) error {
	var taken error
	deeds := 0
	err := c.Fault(ctx, scenario.Timing{}, func(string) {
		// The first deed is the freeze, the second, of which this is told
		// before it is done, the kill.
		if deeds++; deeds == 2 {
			taken = untilMore(ctx, c.Primary, 60)
		}
	})
	return errors.Join(taken, err)
}

// failedOver runs a load through a failover with a loss, after which the
// endpoint is moved, until the new primary has taken some of it.
func failedOver(t *testing.T, c *scenario.Cluster, move func() error, args ...string) result {
	t.Helper()
	return during(t, args,
		func() error { return untilMarkers(t.Context(), c.Primary, 200) },
		func() error { return lose(t.Context(), c) },
		move,
		func() error { return untilMore(t.Context(), c.Standby, 100) })
}

// during runs a load that is interrupted when all has been done beside it, one
// deed after the other.
func during(t *testing.T, args []string, deeds ...func() error) result {
	t.Helper()
	ctx, interrupt := context.WithCancelCause(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		defer interrupt(errInterrupted)
		for _, do := range deeds {
			if err := do(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	r := pgrpoUntil(ctx, t, append([]string{"run", "--warmup-duration=500ms", "--duration=10m"}, args...)...)
	wait.Wait()
	return r
}
