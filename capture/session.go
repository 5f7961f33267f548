package capture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
)

const (
	// batchAge is how long a batch is filled before it is stored.
	batchAge = 20 * time.Millisecond
	// batchBytes is how much a batch may hold.
	batchBytes = 4 << 20
	// positionAge is how long a position waits that comes without rows.
	positionAge = time.Second
	// grace bounds the end of a session.
	grace = 10 * time.Second
	// shortGrace bounds it where the slot is to be dropped.
	shortGrace = time.Second
)

// errStore wraps what the repo failed with. The position must then be read from
// the repo again.
var errStore = errors.New("the repo failed")

// errMoved says that the writers are acked from another server.
var errMoved = errors.New("the writers' server is another one")

// errLeft says that a server was left alone because the repo takes nothing: one
// that shuts down waits until all is confirmed.
var errLeft = errors.New("the server takes no connections and must not wait for a repo that takes nothing")

// errEnded says that all that was announced has come.
var errEnded = errors.New("all has come")

// session is one stream, from its start to its end. All of it belongs to one
// goroutine but leaving, busy and the saver.
type session struct {
	capture   *Capture
	stream    *stream
	assembler *Assembler
	saver     *saver
	by        proof
	past      *Past
	// from is where the server began to send.
	from pg.LSN

	frame   pgoutput.Frame
	message pgoutput.Message

	batch, spare *Batch
	full, urgent bool
	saving       bool
	storedAt     time.Time
	// reached is the greatest position that a batch was given.
	reached pg.LSN
	// end is the end of the last transaction that the saver was given.
	end     pg.LSN
	leaving atomic.Pointer[error]
	busy
}

// leave makes the session end with err. It may be called from any goroutine.
func (s *session) leave(err error) {
	s.leaving.CompareAndSwap(nil, &err)
	s.stream.interrupt()
}

// run streams until it fails, the context ends, the writers move or all has
// come, and stores what it has in every case that leaves the repo well.
func (s *session) run(ctx context.Context, p repo.Progress) error {
	saving, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.saver = startSaver(saving, s.capture.store, s.capture.log, p, s.by, &s.busy, s.stream.interrupt)
	s.reached, s.end = max(p.End, p.FollowedTo), p.End
	defer func() {
		close(s.saver.in)
		<-s.saver.done
	}()
	stop := context.AfterFunc(ctx, s.stream.interrupt)
	defer stop()

	err := s.pump(ctx)
	if errors.Is(err, errStore) {
		s.stream.drop()
		return err
	}
	patience := grace
	if _, full := errors.AsType[*errRetained](err); full {
		// The server must be rid of the slot soon, and can be only without us.
		s.stream.drop()
		patience = shortGrace
	} else if errors.Is(err, errLeft) {
		s.stream.drop()
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer done()
	if serr := s.storeRest(last, cut); serr != nil {
		s.stream.drop()
		return errors.Join(err, serr)
	}
	if ctx.Err() == nil && !errors.Is(err, errEnded) {
		// A server that was left is not waited for: it may hang.
		s.stream.drop()
		return err
	}
	if eerr := s.stream.end(last); eerr != nil && errors.Is(err, errEnded) {
		// What was announced is durable all the same.
		s.capture.log.Debug("end of stream", "error", eerr)
	}
	return err
}

// pump moves frames from the socket to the batches until something ends it.
func (s *session) pump(ctx context.Context) error {
	if err := s.stream.report(time.Now(), wantReply); err != nil {
		return err
	}
	for {
		if err := s.settle(); err != nil {
			return err
		}
		switch {
		case s.capture.ending.isOver():
			return errEnded
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if why := s.leaving.Load(); why != nil {
			return *why
		}
		now := time.Now()
		s.handOver(now)
		if now.Sub(s.stream.sentAt) >= statusEvery {
			if err := s.stream.report(now, s.silence()); err != nil {
				return err
			}
		}
		if s.full {
			s.stall(ctx)
			continue
		}
		if err := s.stream.wait(s.nextLook(now)); err != nil {
			return fmt.Errorf("wait for the walsender: %w", err)
		}
		if len(s.saver.out) > 0 || ctx.Err() != nil || s.leaving.Load() != nil || s.capture.ending.isOver() {
			continue
		}
		switch err := s.stream.next(&s.frame); {
		case errors.Is(err, errQuiet):
			if time.Since(s.stream.heardAt) > senderTimeout {
				return fmt.Errorf("read from the walsender: silent for %v", senderTimeout)
			}
		case err != nil:
			return err
		default:
			if err := s.take(now); err != nil {
				return err
			}
		}
	}
}

// take takes in one frame.
func (s *session) take(now time.Time) error {
	s.stream.heardAt = now
	s.capture.counters.heard.Store(now.UnixNano())
	s.capture.counters.received.Store(uint64(s.stream.received))
	if s.frame.Kind == pgoutput.FrameKeepalive {
		return s.keepalive(now)
	}
	x := &s.frame.XLogData
	if err := s.message.Parse(x.Payload); err != nil {
		return err
	}
	if s.message.Kind == pgoutput.KindBegin {
		s.stream.lag(time.Duration(x.SentAt-s.message.Begin.CommitTime) * time.Microsecond)
	}
	sealed, err := s.assembler.Step(x.Start, &s.message, s.batch)
	if err != nil {
		return err
	}
	s.full = sealed
	if s.batch.since.IsZero() && (s.batch.HasRows() || s.batch.Moves()) {
		s.batch.since = now
	}
	s.reached = max(s.reached, s.batch.End)
	return nil
}

// keepalive takes in how far the server is. Outside of a transaction all that
// lies below was sent, so it holds once the batch is durable.
func (s *session) keepalive(now time.Time) error {
	k := &s.frame.Keepalive
	if !s.assembler.Under() && k.End > s.reached {
		s.batch.FollowedTo, s.reached = k.End, k.End
		if s.batch.since.IsZero() {
			s.batch.since = now
		}
	}
	if !k.ReplyRequested {
		return nil
	}
	// A server that shuts down asks so, and waits until all is confirmed.
	s.urgent = true
	return s.stream.report(now, noReply)
}

// silence asks for a sign of life where none came since the last report.
func (s *session) silence() replyWanted {
	if s.stream.heardAt.After(s.stream.sentAt) {
		return noReply
	}
	return wantReply
}

// due is when the batch should go to the saver, zero if not before more comes.
func (s *session) due() time.Time {
	b := s.batch
	switch {
	case s.full || s.urgent && (b.HasRows() || b.Moves()) && !s.assembler.Under():
		return b.since
	case s.assembler.Under():
		return time.Time{}
	case b.HasRows():
		return b.since.Add(batchAge)
	case b.Moves():
		return s.storedAt.Add(positionAge)
	default:
		return time.Time{}
	}
}

// handOver gives the batch to the saver if it is due and the saver is idle.
func (s *session) handOver(now time.Time) {
	if s.saving {
		return
	}
	due := s.due()
	if !s.full && (due.IsZero() || due.After(now)) {
		return
	}
	s.give()
}

func (s *session) give() {
	s.end = max(s.end, s.batch.End)
	s.batch.filled = s.past.Filled(s.from, s.end)
	s.saver.in <- s.batch
	s.batch, s.spare = s.spare, nil
	s.saving, s.full, s.urgent = true, false, false
}

// nextLook is until when the socket may be waited for.
func (s *session) nextLook(now time.Time) time.Time {
	next := s.stream.sentAt.Add(statusEvery)
	if due := s.due(); !s.saving && !due.IsZero() && due.Before(next) {
		next = due
	}
	// Whole milliseconds keep the deadline from being set for each message.
	next = next.Truncate(time.Millisecond).Add(time.Millisecond)
	if next.Before(now) {
		return now
	}
	return next
}

// stall waits for the saver while both batches are full, and for no longer than
// the next report is away.
func (s *session) stall(ctx context.Context) {
	t := time.NewTimer(statusEvery / 2)
	defer t.Stop()
	select {
	case r := <-s.saver.out:
		s.saver.out <- r
	case <-t.C:
	case <-ctx.Done():
	}
	// The server was not listened to, so it was not silent.
	s.stream.heardAt = time.Now()
}

// settle takes the outcome of a Save, if there is one, and confirms.
func (s *session) settle() error {
	select {
	case r := <-s.saver.out:
		return s.settled(r, time.Now())
	default:
		return nil
	}
}

func (s *session) settled(r saved, now time.Time) error {
	s.saving, s.storedAt = false, now
	c := s.capture
	if r.err != nil {
		return fmt.Errorf("store %d commits: %w: %w", len(r.batch.Commits), errStore, r.err)
	}
	s.stream.confirm(max(r.progress.End, r.progress.FollowedTo))
	c.counters.stored(r.batch, r.progress.End, now)
	for _, e := range r.batch.Events {
		c.event(e)
	}
	for _, a := range r.batch.Sentinels {
		c.event(Event{Kind: EventSentinel, Position: pg.Position{Branch: s.past.On, LSN: r.progress.End}, Text: fmt.Sprintf("end transaction %d", a.Number)})
		c.ending.heard(a, s.by)
	}
	for _, f := range r.batch.filled {
		s.past.shrink(f)
	}
	r.batch.Reset()
	s.spare = r.batch
	c.counters.confirm(s.stream.confirmed)
	return s.stream.report(now, noReply)
}

// storeRest stores whole transactions that are not stored yet: after the death
// of a server nobody may send them again.
func (s *session) storeRest(ctx context.Context, cut context.CancelFunc) error {
	stop := context.AfterFunc(ctx, cut)
	defer stop()
	if s.saving {
		if err := s.settleLast(<-s.saver.out); err != nil {
			return err
		}
	}
	s.assembler.Abandon(s.batch)
	if !s.batch.HasRows() && !s.batch.Moves() {
		return nil
	}
	s.give()
	return s.settleLast(<-s.saver.out)
}

// settleLast settles on a socket that may be gone.
func (s *session) settleLast(r saved) error {
	if err := s.settled(r, time.Now()); errors.Is(err, errStore) {
		return err
	}
	return nil
}
