package run

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A repo that hangs does not hold up the end of a run for each change that was seen.
func TestEndOfAWatchThatCannotStore(t *testing.T) {
	storing, giveUp := context.WithCancel(t.Context())
	w := &slotWatch{stop: func() {}, giveUp: giveUp, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for range 20 {
			<-storing.Done()
			w.unkept = context.Cause(storing)
		}
	}()
	if err := w.end(time.Millisecond); !errors.Is(err, context.Canceled) {
		t.Errorf("%v: what was seen is not kept", err)
	}
}
