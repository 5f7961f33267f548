package writer

import (
	"context"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// The bounds of a pause between tries. They are short: how exactly the end of
// an outage is seen depends on them.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// backoff makes the pauses of one worker, which double up to a bound and are
// spread by chance, so that workers do not come all at once.
type backoff struct {
	key   uint64
	tries uint64
}

// next is the pause before the next try: between half and all of its bound.
func (b *backoff) next() time.Duration {
	bound := min(firstPause<<min(b.tries, 10), lastPause)
	b.tries++
	half := uint64(bound / 2)
	return time.Duration(half + txn.Mix(b.key^txn.Mix(b.tries))%(half+1))
}

// reset says that things went well.
func (b *backoff) reset() { b.tries = 0 }

// sleep waits, and tells whether it could: not if the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
