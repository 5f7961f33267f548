package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	// mostBlocks and mostRecords bound what one transaction of a shipment
	// takes, and so what is kept in memory while the repo is away.
	mostBlocks  = 64
	mostRecords = 4096
	// leastPause and mostPause bound the wait between two tries.
	leastPause = 100 * time.Millisecond
	mostPause  = time.Second
)

// Source reads a journal's frames in order from an offset on. It ends with the
// journal, or with an error; [journal.Journal.Follow] is one.
type Source func(ctx context.Context, from int64) iter.Seq2[journal.Frame, error]

// Written is the source of a journal that nobody writes any more.
func Written(r *journal.Reader) Source {
	return func(_ context.Context, from int64) iter.Seq2[journal.Frame, error] { return r.FramesFrom(from) }
}

// Shipment tells how a journal is moved to the repo.
type Shipment struct {
	Header journal.Header
	Source Source
	// Part is the age at which a block that is not full is stored; 2 s if 0.
	Part time.Duration
	// Every is the least time between two transactions, unless much waits;
	// 250 ms if 0.
	Every time.Duration
	// Stored, if not nil, hears after each transaction up to which seq a
	// worker's entries are durable in the repo. It must not block.
	Stored func(txn.Worker, txn.Seq)
	// Log, if not nil, hears when the repo goes away and comes back.
	Log *slog.Logger
}

// Ship moves a journal to the repo until the journal ends, and returns once all
// of it is durable there; the source's own error comes after all that was read
// before it. What the repo has already is left out, so that the same journal
// can be shipped again at any time, also by two at once. While the repo is
// away Ship waits and tries again; only ctx ends that. It returns an
// [ErrOtherJournal] where the driver's number or a worker's is another
// process's, and an [ErrNoRun] where the repo does not know the run.
func (r *Repo) Ship(ctx context.Context, s Shipment) error {
	if s.Part == 0 {
		s.Part = 2 * time.Second
	}
	if s.Every == 0 {
		s.Every = 250 * time.Millisecond
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	for {
		p := parcel{repo: r, Shipment: s, parts: map[txn.Worker]*part{}}
		err := p.carry(ctx)
		if errors.Is(err, ErrRewound) {
			s.Log.Warn("the repo has lost what it had; shipping the journal from its start", "repo", r.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("ship journal of driver %d of run %d: %w", s.Header.Driver, s.Header.Run, err)
		}
		return nil
	}
}

// parcel is one passage through the journal. It belongs to one goroutine.
type parcel struct {
	repo *Repo
	Shipment
	parts map[txn.Worker]*part
	// blocks and records wait for the next transaction; end is the end of
	// the last frame that was read.
	blocks  []block
	records []journal.Frame
	end     int64
	// stored is the mark that the repo was last seen to have.
	stored int64
}

// part is a block that still grows.
type part struct {
	block
	since time.Time
}

// read is one frame, or the error that ended the source.
type read struct {
	frame journal.Frame
	err   error
}

// carry reads the source on a goroutine of its own, which ends before it
// returns, and stores what comes.
func (p *parcel) carry(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	frames := make(chan read, 4) // a frame may have a mebibyte
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(frames)
		for f, err := range p.Source(ctx, 0) {
			// The bytes are the source's until the next frame.
			if e, ok := f.Body.(journal.Entries); ok {
				e.Raw = append([]byte(nil), e.Raw...)
				f.Body = e
			}
			select {
			case frames <- read{f, err}:
			case <-ctx.Done():
				return
			}
		}
	})
	defer reader.Wait()
	defer cancel()
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		select {
		case got, more := <-frames:
			switch {
			case !more || got.err != nil:
				p.seal(time.Time{})
				return errors.Join(p.store(ctx), got.err)
			default:
				p.add(got.frame)
			}
			if len(p.blocks) < mostBlocks && len(p.records) < mostRecords {
				continue
			}
		case <-tick.C:
			p.seal(time.Now().Add(-p.Part))
			if len(p.blocks)+len(p.records) == 0 {
				continue
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := p.store(ctx); err != nil {
			return err
		}
	}
}

// add takes in a frame.
func (p *parcel) add(f journal.Frame) {
	p.end = f.End
	e, ok := f.Body.(journal.Entries)
	if !ok {
		if _, closed := f.Body.(journal.Closed); closed {
			p.seal(time.Time{})
		}
		p.records = append(p.records, f)
		return
	}
	w := p.parts[e.Worker]
	if w == nil {
		w = &part{block: block{worker: e.Worker}}
		p.parts[e.Worker] = w
	}
	if w.len() > 0 && w.last()+1 != e.First {
		p.push(w)
	}
	for first, raw := e.First, e.Raw; len(raw) > 0; {
		if w.len() == 0 {
			w.first, w.since = first, time.Now()
		}
		n := min(len(raw), (blockEntries-w.len())*txn.EntryBytes)
		w.raw = append(w.raw, raw[:n]...)
		first, raw = first+txn.Seq(n/txn.EntryBytes), raw[n:]
		if w.len() == blockEntries {
			p.push(w)
		}
	}
}

// push hands the part on as a block and empties it.
func (p *parcel) push(w *part) {
	if w.len() > 0 {
		p.blocks = append(p.blocks, w.block)
		w.raw = nil
	}
}

// seal hands on the parts that were begun before that time; the zero time means
// all.
func (p *parcel) seal(before time.Time) {
	for _, w := range p.parts {
		if before.IsZero() || w.since.Before(before) {
			p.push(w)
		}
	}
}

// store brings what waits to the repo, however long that takes.
func (p *parcel) store(ctx context.Context) error {
	pause, away := leastPause, time.Time{}
	for {
		err := p.try(ctx)
		switch {
		case err == nil:
			if !away.IsZero() {
				p.Log.Info("the repo is back", "repo", p.repo.name, "away", time.Since(away).Round(time.Millisecond))
			}
			p.blocks, p.records, p.stored = p.blocks[:0], p.records[:0], max(p.stored, p.end)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case Permanent(err):
			return p.repo.failed("store", err)
		}
		if away.IsZero() {
			away = time.Now()
			p.Log.Warn("the repo takes nothing; the journal waits on disk", "repo", p.repo.name, "error", cause{err}.Error())
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, mostPause)
	}
}
