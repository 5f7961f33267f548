package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/live"
	"github.com/pgrpo/pgrpo/writer"
)

// load runs the writers through the fault until their time is over, with the
// shipper and the progress display beside them, and closes the journal. What
// went wrong is returned as problems of the evidence.
func (t *trial) load(ctx context.Context, capture *listener) (problems []string) {
	c := t.config
	j, err := journal.Create(t.place.Journal(t.driver), t.header(t.driver))
	if err != nil {
		return []string{err.Error()}
	}
	t.watch = t.watchSlots(context.WithoutCancel(ctx), j, capture)
	t.measureClock(ctx, j)
	counters := &live.Counters{}
	var receipts *writer.Receipts
	if c.RepoMode == SyncRepo {
		receipts = writer.NewReceipts(t.record.Workers)
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	shipping := t.ship(context.WithoutCancel(ctx), j, receipts, stop)

	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return writer.Run(writing, writer.Config{
			Target: c.Primary, Run: t.record.Run, Seed: c.Seed, Mix: c.Mix, Workers: t.record.Workers, Rate: c.Rate,
			ConnectTimeout: c.ConnectTimeout, StatementTimeout: c.StatementTimeout,
			Journal: j, Receipts: receipts, Observer: &newServer{Counters: counters, look: capture.look}, Log: t.log,
		})
	})
	group.Go(func() error {
		if c.Screen != nil {
			live.Bar(writing, c.Screen, counters, j.Now, c.Duration)
		} else {
			live.Log(writing, t.log, counters, j.Now)
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		return t.direct(writing, counters, j.Now)
	})
	loading := group.Wait()
	if loading != nil {
		problems = append(problems, loading.Error())
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	// A journal that cannot be written is told once, whoever met it first.
	if err := j.Close(closing); err != nil && !errors.Is(loading, err) {
		problems = append(problems, err.Error())
	}
	t.measureClock(context.WithoutCancel(ctx), j)
	t.log.Info("load ended: " + counters.Line(counters.LastAck()))
	if n := counters.Workers(); n < len(t.record.Workers) && n > 0 {
		t.log.Warn(fmt.Sprintf("only %d of %d workers had a transaction acknowledged; the last trouble of a connection: %v",
			n, len(t.record.Workers), counters.LastFault()))
	}
	late := time.AfterFunc(2*time.Second, func() {
		t.log.Info(fmt.Sprintf("the repo has not taken the whole ledger yet: waiting up to %v for it", c.CaptureTimeout))
	})
	defer late.Stop()
	for _, problem := range problems {
		t.log.Warn(problem)
	}
	if err := shipping.wait(c.CaptureTimeout); err != nil && (j.Err() == nil || !errors.Is(err, j.Err())) {
		problems = append(problems, fmt.Sprintf("the ledger is not whole in the repo: %v", err))
	}
	return problems
}

// direct leads the load: warm-up, fault, and the rest of its time. While the
// service is out at the end it waits for it to come back, also if the fault
// could not be caused as a whole.
func (t *trial) direct(ctx context.Context, counters *live.Counters, now live.Clock) error {
	c := t.config
	if !sleep(ctx, c.Warmup) {
		return nil
	}
	var failed error
	if c.Fault == nil && c.Asked.Expect == compare.ExpectNone {
		t.log.Info("warmed up: the load goes on, and no fault is expected")
	} else if c.Fault == nil {
		t.log.Info("warmed up: cause the failover or switchover now")
	} else if err := t.cause(ctx, now); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		// A load without its fault has nothing more to show.
		failed = fmt.Errorf("cause the fault: %w", err)
	}
	if failed == nil && !sleep(ctx, c.Duration-now()) {
		return nil
	}
	t.untilBack(ctx, counters, now)
	return failed
}

// errFaultLate says that a fault took longer than the load and its grace.
var errFaultLate = errors.New("it did not end in time")

// cause causes the fault, which may take as long as the load and its grace.
func (t *trial) cause(ctx context.Context, now live.Clock) error {
	left := t.config.Duration - now()
	ctx, cancel := context.WithTimeoutCause(ctx, left+t.config.Grace, errFaultLate)
	defer cancel()
	over := time.AfterFunc(left, func() {
		t.log.Info(fmt.Sprintf("the time of the load is over and the fault is still being caused: waiting up to %v for it", t.config.Grace))
	})
	defer over.Stop()
	err := t.config.Fault(ctx)
	if err != nil && context.Cause(ctx) == errFaultLate {
		return errFaultLate
	}
	return err
}

// untilBack waits until the service acknowledges again, if it is out.
func (t *trial) untilBack(ctx context.Context, counters *live.Counters, now live.Clock) {
	quiet := 2 * time.Second
	if rate := t.config.Rate; rate > 0 {
		quiet += time.Duration(min(2/rate, t.config.Grace.Seconds()) * float64(time.Second))
	}
	// A server that hangs gives no trouble at first, only silence.
	out := func() bool { return counters.Out(now()) > 0 || now()-counters.LastAck() > quiet }
	if !out() {
		return
	}
	t.log.Info(fmt.Sprintf("no transaction is acknowledged at the end of the load: waiting up to %v for the first", t.config.Grace))
	for until := now() + t.config.Grace; out() && now() < until; {
		if !sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// sleep waits for d, and tells whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
