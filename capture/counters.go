package capture

import (
	"sync/atomic"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Counters is a live view of a capture. All of it may be read at any time from
// any goroutine; it decides nothing.
type Counters struct {
	// Commits, Changes and Bytes are what is durable in the repo.
	Commits, Changes, Bytes atomic.Int64
	// Duplicates, BeforeCapture and Alien are the transactions dropped.
	Duplicates, BeforeCapture, Alien atomic.Int64
	// Mismatches are those of the duplicates whose content was not the stored
	// one's.
	Mismatches atomic.Int64
	// Gaps counts the gaps recorded, Streams the streams that began.
	Gaps, Streams atomic.Int64

	received, durable, confirmed atomic.Uint64
	lag, heard                   atomic.Int64
}

// Received is the greatest position that the server sent, on its own branch.
func (c *Counters) Received() pg.LSN { return pg.LSN(c.received.Load()) }

// Durable is the end of the last transaction durable in the repo.
func (c *Counters) Durable() pg.LSN { return pg.LSN(c.durable.Load()) }

// Confirmed is the greatest position that was confirmed to any server; it is here
// before the server has it. A server that the stream left keeps what it was told.
func (c *Counters) Confirmed() pg.LSN { return pg.LSN(c.confirmed.Load()) }

// confirm is called by one goroutine at a time.
func (c *Counters) confirm(at pg.LSN) { c.confirmed.Store(max(c.confirmed.Load(), uint64(at))) }

// Lag is the time from the last commit's own time to its being durable, by the
// clocks of two machines.
func (c *Counters) Lag() time.Duration { return time.Duration(c.lag.Load()) }

// LastHeard is when the server last sent anything; zero if it never did.
func (c *Counters) LastHeard() time.Time {
	if n := c.heard.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

func (c *Counters) stored(b *Batch, end pg.LSN, now time.Time) {
	c.Commits.Add(int64(len(b.Commits)))
	c.Changes.Add(int64(len(b.Changes)))
	c.Bytes.Add(int64(b.Bytes))
	c.Duplicates.Add(b.Duplicates)
	c.BeforeCapture.Add(b.BeforeCapture)
	c.Alien.Add(b.Alien)
	c.Mismatches.Add(b.Mismatches)
	c.durable.Store(uint64(end))
	if len(b.Commits) > 0 {
		c.lag.Store(int64(now.Sub(b.newest)))
	}
}
