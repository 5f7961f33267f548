package run

import (
	"sync"

	"github.com/pgrpo/pgrpo/internal/live"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// newServer counts for the display, and calls look whenever a worker is connected
// to a server process that none was connected to before, the first excepted: the
// stream may have to be read elsewhere from then on.
type newServer struct {
	*live.Counters
	look func()

	mu   sync.Mutex
	seen map[serverProcess]bool
}

// Connected hears of a connection that a worker made.
func (n *newServer) Connected(c txn.Connection) {
	n.Counters.Connected(c)
	p := serverProcess{c.System, c.Timeline, c.Start}
	n.mu.Lock()
	known, first := n.seen[p], len(n.seen) == 0
	if n.seen == nil {
		n.seen = make(map[serverProcess]bool)
	}
	n.seen[p] = true
	n.mu.Unlock()
	if !known && !first {
		n.look()
	}
}
