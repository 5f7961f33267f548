package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	// patience bounds the attempts before the first stream began.
	patience = 30 * time.Second
	// slotPatience bounds the wait for a slot that another session reads:
	// our own walsender of before is gone after senderTimeout.
	slotPatience          = senderTimeout + 15*time.Second
	firstPause, lastPause = 50 * time.Millisecond, 250 * time.Millisecond
	// lookEvery is how often the writers' endpoint is asked who answers.
	lookEvery = 5 * time.Second
	// lookSoon is how often it is asked while the repo is in trouble.
	lookSoon = time.Second
)

// observer is capture's number among those who make contact.
const observer int32 = -1

// Config says what to capture and where to store it.
type Config struct {
	// Target is where the stream is read: the writers' endpoint, or, where
	// replication does not go that way, the nodes behind it.
	Target node.Target
	// Writers is the writers' endpoint; its zero value stands for Target.
	// Of several nodes the one is read that answers there.
	Writers node.Target
	Run     txn.Run
	// Slot is the slot's name. It is made if it is not there.
	Slot string
	// MaxRetained is how many bytes of the server's log the slot may hold
	// back before it is dropped, which leaves a gap; 0 is no bound. It is for
	// a slot of our own.
	MaxRetained int64
	// Workers are those whose tables the publication must list.
	Workers []txn.Worker
	Store   Store
	// Observer is told of events; nil is fine.
	Observer Observer
	Log      *slog.Logger
}

// Capture reads the stream of one slot into the repo. It is made by [New] and
// run once.
type Capture struct {
	config   Config
	store    Store
	log      *slog.Logger
	counters Counters
	ending   *ending
	ready    chan struct{}
	look     chan struct{}

	// dropped says why the slot was dropped, until the gap that this leaves
	// is recorded. retainedAt is when the slot was last looked at without a
	// stream. Both belong to Run.
	dropped    string
	retainedAt time.Time

	mu        sync.Mutex
	interrupt func()
}

// New makes a capture that has done nothing yet.
func New(c Config) *Capture {
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if c.Writers == (node.Target{}) {
		c.Writers = c.Target
	}
	return &Capture{
		config: c, store: c.Store, log: log, ending: newEnding(),
		ready: make(chan struct{}), look: make(chan struct{}, 1), interrupt: func() {},
	}
}

// Counters is the live view.
func (c *Capture) Counters() *Counters { return &c.counters }

// Ready is closed once the slot stands at its consistent point and the first
// stream began: what is committed from then on is captured.
func (c *Capture) Ready() <-chan struct{} { return c.ready }

// Ended is closed once the announced end transaction is durable in the repo.
func (c *Capture) Ended() <-chan struct{} { return c.ending.done }

// Expect announces an end transaction, before it is sent. Run returns once the
// one with the greatest number has come and is durable.
func (c *Capture) Expect(s txn.Sentinel) {
	c.ending.expect(s)
	c.wake()
}

// Look asks to see at once whether the writers' server is still the one that is
// read. It does not block.
func (c *Capture) Look() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

func (c *Capture) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt()
}

func (c *Capture) onWake(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = f
}

// Run captures until the announced end transaction is durable, and then returns
// nil, or until ctx ends, and then returns its error. Before the first stream
// began it gives up after half a minute, or at once where only the user can
// help. Later it gives up on nothing but a slot that another session holds,
// a repo that another capture has taken over, and what the user must mend.
func (c *Capture) Run(ctx context.Context) error {
	begun, pause := time.Now(), firstPause
	var unusable error
	var heldSince time.Time
	for {
		before := c.counters.Streams.Load()
		err := c.once(ctx, unusable)
		switch {
		case errors.Is(err, errEnded) || c.ending.isOver():
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case trouble.Of(err) == trouble.Refused, errors.Is(err, repo.ErrFenced):
			return err
		case c.counters.Streams.Load() == 0 && time.Since(begun) > patience:
			return err
		}
		c.relieve(ctx, err)
		state := stateOf(err)
		if state == slotInUse {
			if heldSince.IsZero() {
				heldSince = time.Now()
			}
			if time.Since(heldSince) > slotPatience {
				return trouble.Unreachable("capture from slot %s: another session reads it: %w", c.config.Slot, err)
			}
		} else {
			heldSince = time.Time{}
		}
		unusable = nil
		if (state == slotUnusable || state == objectMissing) && !errors.Is(err, errStore) {
			unusable = err
		}
		if c.counters.Streams.Load() > before {
			pause = firstPause
		}
		// The first failure is told; those of the tries that follow are
		// the same outage.
		level := slog.LevelDebug
		if c.counters.Streams.Load() > before || before == 0 {
			level = slog.LevelWarn
		}
		c.log.Log(ctx, level, "the stream is interrupted and begun again", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, lastPause)
	}
}

// The SQLSTATEs that decide how to go on (PostgreSQL manual, appendix A).
const (
	slotInUse    = "55006"
	slotUnusable = "55000"
	// Of a slot that is gone, or of a publication that was not there yet when
	// what the slot still holds was written.
	objectMissing = "42704"
	// Of a server that starts or shuts down.
	shuttingDown = "57P03"
)

func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// once makes one connection and streams until that ends.
func (c *Capture) once(ctx context.Context, unusable error) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, errEnded) && ctx.Err() == nil {
			c.event(Event{Kind: kindOf(err), Text: err.Error()})
		}
	}()
	progress, err := c.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("read the position: %w: %w", errStore, err)
	}
	if progress.Ended > 0 {
		c.ending.heard(Arrival{Number: progress.Ended, Whole: true, End: progress.EndedAt}, proofRows)
		if c.ending.isOver() {
			return errEnded
		}
	}
	reader, err := c.reader(ctx)
	if err != nil {
		return err
	}
	v, err := call(ctx, reader, c.app())
	if err != nil {
		return err
	}
	defer v.close()
	past, err := c.remember(ctx, v, progress)
	if err != nil {
		return err
	}
	if err := c.mendPublication(ctx, v, past); err != nil {
		return err
	}
	slot, err := v.stand(ctx, c.config.Slot, unusable)
	if err != nil {
		return err
	}
	if err := c.recordGap(ctx, past, slot); err != nil {
		return err
	}
	return c.stream(ctx, v, past, slot)
}

func (c *Capture) app() string { return fmt.Sprintf("pgrpo/%d/capture", c.config.Run) }

func kindOf(err error) EventKind {
	switch {
	case errors.Is(err, errMoved):
		return EventMoved
	case errors.Is(err, errStore):
		return EventStore
	case errors.Is(err, errPublication):
		return EventPublication
	default:
		return EventDisconnected
	}
}

// stream starts the stream and runs it, with a look at the writers' endpoint
// beside it.
func (c *Capture) stream(ctx context.Context, v *visit, past *Past, slot standing) error {
	start := past.Resume(v.system.Position, slot.confirmed)
	progress := past.Progress
	from := max(start, slot.confirmed)
	progress.Branch, progress.End, progress.FollowedTo = past.On, start, from
	if past.Fresh() {
		progress.Start = slot.confirmed
		past.Start, past.StartBranch = slot.confirmed, past.On
		if err := c.store.Save(ctx, nil, nil, progress); err != nil {
			return fmt.Errorf("store the first consistent point: %w: %w", errStore, err)
		}
	}
	begin, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	st, err := startStream(begin, v.repl, request{
		slot: c.config.Slot, publication: node.NameOf(c.config.Run), start: start, confirmed: slot.confirmed, version: v.id.VersionNum,
	})
	if err != nil {
		return err
	}
	node.Close(v.side)
	s := &session{
		capture: c, stream: st, past: past, from: from,
		assembler: NewAssembler(c.config.Run, batchBytes, past), batch: &Batch{}, spare: &Batch{},
	}
	if v.id.VersionNum < messagesSince {
		s.by = proofRows
	}
	c.counters.Streams.Add(1)
	c.event(Event{Kind: EventConnected, Position: pg.Position{Branch: past.On, LSN: s.from},
		Text: fmt.Sprintf("streaming from %s on timeline %d", v.id.Address, v.id.Timeline)})
	c.onWake(st.interrupt)
	defer c.onWake(func() {})
	if c.counters.Streams.Load() == 1 {
		close(c.ready)
	}
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(watch, v.id, s) })
	defer watching.Wait()
	defer stop()
	return s.run(ctx, progress)
}

func (c *Capture) event(e Event) {
	level := slog.LevelInfo
	if e.Kind == EventDisconnected {
		level = slog.LevelDebug
	}
	attributes := []slog.Attr{slog.String("detail", e.Text)}
	if e.Position != (pg.Position{}) {
		attributes = append(attributes, slog.Int("branch", int(e.Position.Branch)), slog.String("lsn", e.Position.LSN.String()))
	}
	c.log.LogAttrs(context.Background(), level, e.Kind.Sentence(), attributes...)
	if c.config.Observer != nil {
		c.config.Observer.Event(e)
	}
}
