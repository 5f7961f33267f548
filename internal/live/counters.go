// Package live shows a run while it goes on. It reads counters only: nothing
// that it shows is evidence, and nothing is judged on it.
package live

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Counters follow the writers. The zero value is ready; its methods may be
// called from all workers at once and never block.
type Counters struct {
	acked, failed, inDoubt, refused atomic.Int64
	lastAck                         atomic.Int64 // nanoseconds from the driver's start
	firstTrouble                    atomic.Int64 // of the trouble since the last ack; 0 none
	servers                         atomic.Int64
	lastFault                       atomic.Int64
	workers                         atomic.Int64
	seen                            sync.Map // workers that had an acknowledgement
}

// Entry counts the end of an attempt.
func (c *Counters) Entry(w txn.Worker, _ txn.Seq, e txn.Entry) {
	switch {
	case e.Outcome.IsAck():
		c.acked.Add(1)
		if _, known := c.seen.Load(w); !known {
			c.seen.Store(w, true)
			c.workers.Add(1)
		}
		c.raise(int64(e.End()))
		c.firstTrouble.Store(0)
	case e.Outcome == txn.Failed:
		c.failed.Add(1)
	default:
		c.inDoubt.Add(1)
		c.firstTrouble.CompareAndSwap(0, int64(e.End()))
	}
}

// Probe counts a connect that failed.
func (c *Counters) Probe(p txn.Probe) {
	if p.Fault == txn.NoFault {
		return
	}
	c.refused.Add(1)
	c.lastFault.Store(int64(p.Fault))
	c.firstTrouble.CompareAndSwap(0, int64(p.At))
}

// Connected counts a new connection.
func (c *Counters) Connected(txn.Connection) { c.servers.Add(1) }

func (c *Counters) raise(at int64) {
	for {
		old := c.lastAck.Load()
		if at <= old || c.lastAck.CompareAndSwap(old, at) {
			return
		}
	}
}

// Acked is the number of acknowledged attempts.
func (c *Counters) Acked() int64 { return c.acked.Load() }

// Workers is the number of workers that had an acknowledgement.
func (c *Counters) Workers() int { return int(c.workers.Load()) }

// LastFault is why the latest connect failed that did; NoFault if none did.
func (c *Counters) LastFault() txn.Fault { return txn.Fault(c.lastFault.Load()) }

// LastAck is when the latest acknowledgement came, from the driver's start.
func (c *Counters) LastAck() time.Duration { return time.Duration(c.lastAck.Load()) }

// Out tells for how long no commit was acknowledged although the workers met
// trouble; 0 while the service works.
func (c *Counters) Out(now time.Duration) time.Duration {
	if c.firstTrouble.Load() == 0 {
		return 0
	}
	return now - c.LastAck()
}

// longSilence is how long no commit must come until that is worth a word, also
// where nothing failed: a server that hangs gives no trouble at first.
const longSilence = 2 * time.Second

// Line sums the counters up for a person; now counts from the driver's start.
func (c *Counters) Line(now time.Duration) string {
	line := fmt.Sprintf("%d acknowledged, %d failed, %d in doubt", c.acked.Load(), c.failed.Load(), c.inDoubt.Load())
	silence := now - c.LastAck()
	if c.Out(now) > 200*time.Millisecond || silence > longSilence {
		line += fmt.Sprintf(", no commit for %.1f s", silence.Seconds())
	}
	return line
}
