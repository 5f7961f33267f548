package writer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// worker sends the attempts of one worker, one after another. It is one
// goroutine.
type worker struct {
	load       Config
	number     txn.Worker
	target     node.Target
	statements [shapes]statement
	mode       Statements
	account    *journal.Account
	view       *plan.View
	gate       *gate
	pace       pace
	started    time.Duration
	backoff    backoff
	// count is the number of attempts taken.
	count   int64
	session *session
}

// newWorker makes worker i of the driver; the schedule counts from started.
func newWorker(c Config, g *gate, i int, started time.Duration) *worker {
	number := c.Workers[i]
	return &worker{
		load: c, number: number, gate: g,
		target:     c.Target.WithTimeout(c.ConnectTimeout).WithoutCancel(),
		statements: statements(number), mode: c.Statements,
		account: c.Journal.Account(number),
		view:    plan.New(c.Mix, c.Seed, c.Run, number),
		pace:    newPace(c.Rate, i, len(c.Workers)), started: started,
		backoff: backoff{key: uint64(number)},
	}
}

// run works until the context is done or the journal fails.
func (w *worker) run(ctx context.Context) error {
	defer w.hangUp()
	for ctx.Err() == nil {
		if w.session == nil {
			if err := w.connect(ctx); err != nil {
				return err
			}
			continue
		}
		if !w.await(ctx) {
			return nil
		}
		if err := w.attempt(ctx); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the next attempt is due.
func (w *worker) await(ctx context.Context) bool {
	if !w.pace.open() {
		return true
	}
	return sleep(ctx, w.started+w.pace.due(w.count)-w.load.Journal.Now())
}

// connect tries once to make a session, and pauses where that failed. Its only
// error is the journal's.
func (w *worker) connect(ctx context.Context) error {
	from := w.load.Journal.Now()
	s, err := w.open(ctx)
	if err == nil {
		w.session = s
		return nil
	}
	if j, ok := errors.AsType[errJournal](err); ok {
		return j
	}
	p := txn.Probe{At: from, Took: w.load.Journal.Now() - from, Worker: w.number}
	if ctx.Err() != nil {
		// It was our own doing, and no fault; that the service was asked
		// for so long without an answer is kept.
		w.load.Journal.Probe(p)
		return nil
	}
	p.Fault, p.State = connectFault(err)
	if errors.Is(err, errReadOnly) {
		p.Fault = txn.ReadOnly
	}
	w.load.Journal.Probe(p)
	w.load.Observer.Probe(p)
	w.load.Log.Debug("connect failed", "worker", w.number, "fault", p.Fault.String(), "error", err)
	sleep(ctx, w.backoff.next())
	return nil
}

// attempt takes a seq, sends what the plan says, and keeps the entry. The
// context's end does not interrupt it: the statement timeout does.
func (w *worker) attempt(ctx context.Context) error {
	seq, err := w.account.Next(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	a := w.view.Next()
	if a.Seq != seq {
		return fmt.Errorf("plan attempt: the journal gave seq %d of worker %d, the plan is at %d", seq, w.number, a.Seq)
	}
	s, steady := w.session, context.WithoutCancel(ctx)
	e := s.Do(steady, a)
	if w.pace.open() {
		e.Late = max(0, e.Sent-w.started-w.pace.due(w.count))
	}
	w.count++
	var failed error
	if s.hop.happened {
		failed = w.follow(steady, s)
		if failed == nil {
			e.Conn = s.record.Conn()
		}
	}
	// Whoever reads the entry as acked may look for its marker: the floor
	// is raised first, so that no look of a later session misses it.
	if e.Outcome.IsAck() {
		w.gate.acked(processOf(s.record).line, a.ID, e.LSN)
	}
	w.view.Settle(e)
	w.account.Put(seq, e)
	w.load.Observer.Entry(w.number, seq, e)
	if failed != nil {
		return failed
	}
	w.after(ctx, e)
	return w.receipt(ctx, seq)
}

// after does what an entry asks for: another session, or a pause, so that a
// server that only fails is not sent attempts as fast as it can fail them.
func (w *worker) after(ctx context.Context, e txn.Entry) {
	if w.session.dead || e.Fault == txn.ReadOnly {
		lost := w.session.dead
		w.hangUp()
		if lost {
			w.gate.lost()
		}
	}
	switch {
	case e.Outcome.IsAck():
		w.backoff.reset()
	case e.Outcome == txn.Failed && e.Fault == txn.Miss:
	case e.Outcome == txn.InDoubt && w.backoff.tries == 0:
		// The first attempt in doubt is followed by a connect at once: an
		// outage that is over must not be seen longer than it was.
		w.backoff.tries++
	default:
		w.load.Log.Debug("attempt did not commit", "worker", w.number, "outcome", e.Outcome.String(), "state", e.State.String(), "fault", e.Fault.String())
		sleep(ctx, w.backoff.next())
	}
}

// hangUp closes the session, if there is one.
func (w *worker) hangUp() {
	if w.session == nil {
		return
	}
	w.mode = w.session.composer.mode
	w.session.close()
	w.session = nil
}
