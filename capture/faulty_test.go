package capture

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// faulty is a store that fails as it is told.
type faulty struct {
	Store
	// refuse is how many Saves fail without effect, lose how many fail after
	// they took effect.
	refuse, lose atomic.Int32
	// away makes each Load fail.
	away atomic.Bool
	// waiting is how many Saves wait.
	waiting atomic.Int32
	// hold, if not nil, makes each Save wait until it is closed, or for
	// something to take from it.
	mu   sync.Mutex
	hold chan struct{}
}

func (f *faulty) Load(ctx context.Context) (repo.Progress, error) {
	if f.away.Load() {
		return repo.Progress{}, errFault
	}
	return f.Store.Load(ctx)
}

var errFault = errors.New("a fault that the test caused")

func (f *faulty) Save(ctx context.Context, commits []txn.Commit, changes []txn.Change, p repo.Progress) error {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		f.waiting.Add(1)
		defer f.waiting.Add(-1)
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.refuse.Add(-1) >= 0 {
		over, cancel := context.WithCancel(ctx)
		cancel()
		return f.Store.Save(over, commits, changes, p)
	}
	if err := f.Store.Save(ctx, commits, changes, p); err != nil {
		return err
	}
	if f.lose.Add(-1) >= 0 {
		return errFault
	}
	return nil
}

// pass lets n Saves go on that wait, or come to wait, and waits for them to.
func (f *faulty) pass(n int) {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	for range n {
		hold <- struct{}{}
	}
}

// block makes Saves wait until the returned function is called.
func (f *faulty) block() (release func()) {
	hold := make(chan struct{})
	f.mu.Lock()
	f.hold = hold
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		f.hold = nil
		f.mu.Unlock()
		close(hold)
	}
}
