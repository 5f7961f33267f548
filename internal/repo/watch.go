package repo

import (
	"context"
	"fmt"
	"time"
)

// watch bounds the waits for the server in a long exchange, each by itself:
// what the caller does between two waits counts for none, however long it
// takes. Its methods may be called from several goroutines.
type watch struct {
	ctx    context.Context // ends with the caller's, or once a wait is too long
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// watched begins an exchange with a wait of at most that long. The caller ends
// it with over.
func watched(ctx context.Context, most time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, cancel: cancel}
	w.timer = time.AfterFunc(most, func() {
		cancel(fmt.Errorf("the server kept silent for too long: %w", context.DeadlineExceeded))
	})
	return w
}

// await begins a wait of at most that long, in the place of one under way.
func (w *watch) await(most time.Duration) { w.timer.Reset(most) }

// rest ends the wait under way.
func (w *watch) rest() { w.timer.Stop() }

// over ends the exchange.
func (w *watch) over() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain gives the reason for which the exchange was ended in place of an error
// that follows from it.
func (w *watch) explain(err error) error {
	if err != nil && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}
