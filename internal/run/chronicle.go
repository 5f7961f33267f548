package run

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/pgrpo/pgrpo/capture"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
)

const (
	// mostEvents is how many events wait while the repo is away.
	mostEvents = 1024
	// eventPause lies between two tries to store one.
	eventPause = 500 * time.Millisecond
	// eventPatience bounds how long the last ones may take.
	eventPatience = 10 * time.Second
)

// chronicle stores the events of the stream in the repo, for people, in a
// goroutine of its own: capture never waits for it. A repo that is away is
// waited for; an event whose reply was lost may be stored twice. Of the tries of
// one outage the first is stored.
type chronicle struct {
	store func(context.Context, repo.Event) error
	log   *slog.Logger
	in    chan repo.Event
	done  chan struct{}
	cut   context.CancelFunc
	// last is the event before, dropped counts those that found no room. Both
	// belong to the goroutine of the capture.
	last    capture.Event
	dropped int
	// lost counts those that were not stored. It belongs to the chronicle's
	// goroutine until done is closed.
	lost int
}

// startChronicle starts one; close ends it.
func startChronicle(ctx context.Context, log *slog.Logger, store func(context.Context, repo.Event) error) *chronicle {
	ctx, cut := context.WithCancel(ctx)
	c := &chronicle{store: store, log: log, in: make(chan repo.Event, mostEvents), done: make(chan struct{}), cut: cut}
	go func() {
		defer close(c.done)
		for e := range c.in {
			if err := c.keep(ctx, e); err != nil {
				c.lost++
				c.log.Debug("an event was not stored", "kind", e.Kind, "error", err)
			}
		}
	}()
	return c
}

// keep stores an event, however long the repo is away.
func (c *chronicle) keep(ctx context.Context, e repo.Event) error {
	for {
		err := c.store(ctx, e)
		if err == nil || repo.Permanent(err) || !sleep(ctx, eventPause) {
			return err
		}
	}
}

// eventBody is what the repo keeps of an event beside its time and kind.
type eventBody struct {
	Text   string `json:"text"`
	Branch int32  `json:"branch,omitempty"`
	LSN    string `json:"lsn,omitempty"`
	Xid    uint64 `json:"xid,string,omitempty"`
}

// Event takes an event from the capture.
func (c *chronicle) Event(e capture.Event) {
	if again(c.last, e) {
		return
	}
	c.last = e
	body := eventBody{Text: e.Text, Branch: int32(e.Position.Branch), Xid: uint64(e.Xid)}
	if e.Position.LSN != 0 {
		body.LSN = e.Position.LSN.String()
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		c.dropped++
		return
	}
	select {
	case c.in <- repo.Event{At: time.Now(), Kind: e.Kind.String(), Body: encoded}:
	default:
		c.dropped++
	}
}

// again tells whether e is a try more of the outage that last was of: those
// differ in their words alone, and have no position.
func again(last, e capture.Event) bool {
	return e.Kind == last.Kind && e.Position == (pg.Position{}) && last.Position == (pg.Position{})
}

// close waits until the events are stored, for a while, once the capture has
// ended.
func (c *chronicle) close() {
	close(c.in)
	late := time.AfterFunc(eventPatience, c.cut)
	<-c.done
	late.Stop()
	c.cut()
	if n := c.dropped + c.lost; n > 0 {
		c.log.Warn("events of the stream were not stored in the repo; the event log of the run has them", "count", n)
	}
}
