// Package writer loads the primary: workers, each with one session at a time,
// send attempts of the plan one after another and write into the driver's
// journal what became of each. The load goes on through an outage and after it.
//
// What is promised: a seq is taken only on an open connection and is journalled
// before the next one is taken; an attempt is acked only by the server's whole
// word (see outcome.go); nothing is sent to a server in recovery, nor, on a new
// server process, before it was asked for the driver's last acked transaction.
package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Config is what one driver does.
type Config struct {
	// Target is the endpoint: one host that may move, or several.
	Target node.Target
	Run    txn.Run
	Seed   uint64
	Mix    plan.Mix
	// Workers are the driver's workers, each new: their accounts are empty.
	Workers []txn.Worker
	// Rate is in attempts a second over all workers; 0 sends the next one as
	// soon as the one before has ended.
	Rate float64
	// ConnectTimeout bounds each host's connect, and the identification after
	// it. StatementTimeout bounds an attempt with its commit.
	ConnectTimeout, StatementTimeout time.Duration
	Statements                       Statements
	Journal                          *journal.Journal
	// Receipts, if not nil, makes each worker wait after each attempt until
	// its entry is durable on the repo; whoever ships the journal tells them.
	Receipts *Receipts
	// Observer may be nil, and so may Log.
	Observer Observer
	Log      *slog.Logger
}

// Observer hears of what the journal gets, from the workers' goroutines. It
// must not block.
type Observer interface {
	Entry(txn.Worker, txn.Seq, txn.Entry)
	Probe(txn.Probe)
	Connected(txn.Connection)
}

type deaf struct{}

func (deaf) Entry(txn.Worker, txn.Seq, txn.Entry) {}
func (deaf) Probe(txn.Probe)                      {}
func (deaf) Connected(txn.Connection)             {}

func (c Config) check() error {
	switch {
	case len(c.Workers) == 0:
		return trouble.Refuse("start load: no workers; set --parallel-workers to 1 or more")
	case c.ConnectTimeout <= 0 || c.StatementTimeout <= 0:
		return trouble.Refuse("start load: connect timeout %v and statement timeout %v must be more than 0", c.ConnectTimeout, c.StatementTimeout)
	case c.Rate < 0:
		return trouble.Refuse("start load: a rate of %v is negative", c.Rate)
	}
	if err := c.Mix.Validate(); err != nil {
		return trouble.Refuse("start load: %w", err)
	}
	return nil
}

// Run loads until the context is done, which is a planned stop: attempts under
// way are let end, which takes at most the statement timeout, and the result is
// nil. It ends with an error where the journal cannot be written: nothing more
// is sent then. A server that is away never ends it.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Observer == nil {
		c.Observer = deaf{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	group, loading := errgroup.WithContext(ctx)
	loading, stop := context.WithCancel(loading)
	g := newGate()
	started := c.Journal.Now()
	watch := make(chan struct{})
	go func() {
		defer close(watch)
		select {
		case <-c.Journal.Failed():
			stop()
		case <-loading.Done():
		}
	}()
	for i := range c.Workers {
		w := newWorker(c, g, i, started)
		group.Go(func() error { return w.run(loading) })
	}
	err := group.Wait()
	stop()
	<-watch
	if jerr := c.Journal.Err(); jerr != nil {
		return fmt.Errorf("load: %w", jerr)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// timesHosts is the number of hosts as a factor of a duration.
func timesHosts(t node.Target) time.Duration { return time.Duration(len(t.Addresses())) }
