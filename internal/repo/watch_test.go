package repo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Only waits count, each by itself.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watched(t.Context(), time.Second)
		defer w.over()
		for range 3 {
			time.Sleep(900 * time.Millisecond)
			w.rest()
			time.Sleep(time.Hour)
			w.await(time.Second)
		}
		time.Sleep(900 * time.Millisecond)
		w.await(time.Minute)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if err := w.explain(errRow); err != errRow {
			t.Errorf("no wait was too long: %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := w.explain(errRow); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("a wait was too long: %v", err)
		}
		if err := w.explain(nil); err != nil {
			t.Errorf("a success: %v", err)
		}
	})
}
