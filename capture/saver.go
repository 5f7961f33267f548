package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
)

const (
	// saveTimeout bounds one Save: a repo may be slow for long, but not for
	// ever.
	saveTimeout = 2 * time.Minute
	// recoverTimeout bounds the question what became of one.
	recoverTimeout = 10 * time.Second
	// struggle is how long a batch may take before the repo is known to be
	// in trouble.
	struggle = 3 * time.Second
	// firstSavePause is the wait after a first failure, and the longest one.
	firstSavePause, lastSavePause = 20 * time.Millisecond, time.Second
)

// saver stores one batch at a time on a goroutine of its own, so that the
// socket is served meanwhile. A repo that goes away is waited for: what was
// heard stays in memory, and the stream goes on.
type saver struct {
	in   chan *Batch
	out  chan saved
	done chan struct{}

	store Store
	log   *slog.Logger
	since *busy
}

// busy is when the batch that is being stored was begun, in nanoseconds; 0 if
// there is none.
type busy struct{ atomic.Int64 }

// struggling tells whether a batch has been under way for long.
func (b *busy) struggling() bool {
	since := b.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > struggle
}

// saved is the outcome of one Save.
type saved struct {
	batch    *Batch
	progress repo.Progress
	err      error
}

// startSaver starts a saver that goes on from p. It keeps in since
// what it is busy with, and after each Save it calls wake.
// It ends when in is closed; ctx cuts off a Save under way.
func startSaver(ctx context.Context, store Store, log *slog.Logger, p repo.Progress, by proof, since *busy, wake func()) *saver {
	s := &saver{in: make(chan *Batch, 1), out: make(chan saved, 1), done: make(chan struct{}), store: store, log: log, since: since}
	go func() {
		defer close(s.done)
		for b := range s.in {
			s.since.Store(time.Now().UnixNano())
			advance(&p, b, by)
			err := s.compare(ctx, &p, b)
			if err == nil {
				err = s.save(ctx, p, b)
			}
			if err == nil {
				err = s.shrink(ctx, p, b)
			}
			s.since.Store(0)
			s.out <- saved{batch: b, progress: p, err: err}
			wake()
		}
	}()
	return s
}

// save stores b, however long the repo is away. It fails only where ctx ends or
// where no waiting helps.
func (s *saver) save(ctx context.Context, p repo.Progress, b *Batch) error {
	try := func() error {
		c, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		return s.store.Save(c, b.Commits, b.Changes, p)
	}
	return s.persist(ctx, p.Branch, b, try, func() error {
		c, cancel := context.WithTimeout(ctx, recoverTimeout)
		defer cancel()
		if stored, err := s.store.Recover(c); stored || err != nil {
			return err
		}
		return try()
	})
}

// shrink stores which gaps b has filled.
func (s *saver) shrink(ctx context.Context, p repo.Progress, b *Batch) error {
	for _, f := range b.filled {
		shrink := func() error {
			c, cancel := context.WithTimeout(ctx, saveTimeout)
			defer cancel()
			return s.store.ShrinkGap(c, f.Gap, f.From)
		}
		err := s.persist(ctx, p.Branch, b, shrink, shrink)
		if err != nil {
			return err
		}
	}
	return nil
}

// compare counts what came again with another content.
func (s *saver) compare(ctx context.Context, p *repo.Progress, b *Batch) error {
	if len(b.Resent) == 0 {
		return nil
	}
	var found []repo.Mismatch
	ask := func() (err error) {
		c, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		found, err = s.store.Mismatched(c, b.Resent)
		return err
	}
	err := s.persist(ctx, p.Branch, b, ask, ask)
	for _, m := range found {
		b.Events = append(b.Events, Event{
			Kind: EventMismatch, Position: pg.Position{Branch: m.Came.Branch, LSN: m.Came.LSN}, Xid: m.Came.Xid, Text: m.String(),
		})
	}
	b.Mismatches = int64(len(found))
	p.Mismatches += b.Mismatches
	return err
}

// persist calls first, and after a failure again until that succeeds. A failed
// Save may have taken effect, and a Save of ours that was taken for lost may yet
// do so and fence the next one: Recover, within again, tells, so its word alone
// is final.
func (s *saver) persist(ctx context.Context, on pg.BranchID, b *Batch, first, again func() error) error {
	err := first()
	if err == nil {
		return nil
	}
	cause, since, pause := err, time.Now(), firstSavePause
	s.log.Warn("the repo takes nothing; the stream waits for it", "error", err)
	for {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
		if err = again(); err == nil {
			break
		}
		if final(err) {
			return err
		}
		pause = min(2*pause, lastSavePause)
	}
	away := time.Since(since).Round(time.Millisecond)
	s.log.Info("the repo is back", "away", away)
	b.Events = append(b.Events, Event{
		Kind: EventStore, Position: pg.Position{Branch: on}, Text: fmt.Sprintf("the repo took nothing for %v: %v", away, cause),
	})
	return nil
}

// final tells whether waiting for the repo is of no use. What no waiting mends
// may still be mended by hand, but not under a stream.
func final(err error) bool { return repo.Permanent(err) || errors.Is(err, repo.ErrNotLoaded) }

// advance moves the progress by what b holds.
func advance(p *repo.Progress, b *Batch, by proof) {
	p.End = max(p.End, b.End)
	p.FollowedTo = max(p.FollowedTo, b.FollowedTo)
	p.OpenTxn = b.Open
	p.Duplicates += b.Duplicates
	p.BeforeCapture += b.BeforeCapture
	for _, a := range b.Sentinels {
		if a.Whole && (a.Token || by == proofRows) && a.Number >= p.Ended {
			p.Ended, p.EndedAt = a.Number, a.End
		}
	}
}
