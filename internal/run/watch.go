package run

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/slots"
)

const (
	// watchEvery lies between two looks at the slots of a node.
	watchEvery = time.Second
	// watchStore bounds how long storing a change after the load may take, and how
	// long the end of the watch waits for all that is to be stored.
	watchStore = 10 * time.Second
	// watchKind begins the kinds of the watch's events.
	watchKind = "watch_"
)

// slotWatch watches the slots of all nodes of a run from the beginning of the load
// until the stream has ended, in a goroutine of its own, on connections of its own.
// What it sees goes to the journal, and once that is closed to the repo.
type slotWatch struct {
	journal *journal.Journal
	repo    *repo.Repo
	run     txn.Run
	log     *slog.Logger
	stop    context.CancelFunc
	// giveUp ends the storing of what was seen.
	giveUp context.CancelFunc
	done   chan struct{}
	// unkept is the first reason why something bad that was seen is kept nowhere: a
	// judgement would miss it. It belongs to the watch's goroutine until done is closed.
	unkept error
}

// watchSlots starts the watch; end ends it.
func (t *trial) watchSlots(ctx context.Context, j *journal.Journal, capture *listener) *slotWatch {
	storing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	ctx, stop := context.WithCancel(ctx)
	w := &slotWatch{journal: j, repo: t.repo, run: t.record.Run, log: t.log, stop: stop, giveUp: giveUp, done: make(chan struct{})}
	vigil := slots.Vigil{
		Hosts: t.watched(), Every: watchEvery, Tell: func(c slots.Change) error { w.keep(storing, c); return nil },
		Consumers: func() map[string]pg.LSN {
			if at := capture.confirmed(); at != 0 {
				return map[string]pg.LSN{t.record.Slot: at}
			}
			return nil
		},
	}
	go func() {
		defer close(w.done)
		w.watch(ctx, vigil)
	}()
	return w
}

// watched are the hosts that are watched: those where the stream may be read, and the
// nodes named beside them. A pooler before the service shows no node.
func (t *trial) watched() []node.Target {
	all := t.config.Standbys
	switch {
	case t.primary.CanReplicate:
		all = append(t.stream.Hosts(), all...)
	case !t.primary.Pooled:
		all = append(t.config.Primary.Hosts(), all...)
	}
	return slots.Hosts(all...)
}

// watch watches until the context ends, from anew where no node was reached. A run
// goes on without a watch that is refused.
func (w *slotWatch) watch(ctx context.Context, v slots.Vigil) {
	for {
		_, err := slots.Watch(ctx, v)
		switch {
		case ctx.Err() != nil:
			return
		case trouble.Of(err) != trouble.Unavailable:
			w.log.Warn("the slots of the nodes are not watched", "error", err)
			return
		}
		w.log.Debug("the slots of the nodes are not seen", "error", err)
		if !sleep(ctx, watchEvery) {
			return
		}
	}
}

// keep keeps a change, and the slot's row.
func (w *slotWatch) keep(ctx context.Context, c slots.Change) {
	level := slog.LevelDebug
	if c.Weight == slots.Bad {
		level = slog.LevelWarn
	}
	where := c.Node
	if c.Slot != "" {
		where = "slot " + c.Slot + " on " + where
	}
	w.log.Log(ctx, level, fmt.Sprintf("%s: %s: %s", where, c.Kind, c.Text))
	if err := w.store(ctx, c); err != nil {
		w.log.Debug("what was seen of a node is not kept", "error", err)
		if w.unkept == nil && c.Weight == slots.Bad {
			w.unkept = err
		}
	}
}

func (w *slotWatch) store(ctx context.Context, c slots.Change) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode a change: %w", err)
	}
	var row json.RawMessage
	if c.After != nil {
		if row, err = json.Marshal(c.After); err != nil {
			return fmt.Errorf("encode a slot: %w", err)
		}
	}
	kind := watchKind + string(c.Kind)
	err = w.journal.Event(txn.Event{At: w.journal.Now(), Kind: kind, Body: body})
	if err == nil && row != nil {
		err = w.journal.Slot(txn.SlotLook{At: w.journal.Now(), Node: c.Node, Name: c.Slot, Body: row})
	}
	if err == nil {
		return nil
	}
	// What the journal took of it as well is stored twice, which says nothing else.
	ctx, cancel := context.WithTimeout(ctx, watchStore)
	defer cancel()
	if err := w.repo.AddEvent(ctx, w.run, repo.Event{At: c.At, Kind: kind, Body: body}); err != nil {
		return err
	}
	if row == nil {
		return nil
	}
	return w.repo.AddSlots(ctx, w.run, repo.SlotRow{At: c.At, Node: c.Node, Name: c.Slot, Body: row})
}

// end ends the watch, and waits at most so long for what was seen to be stored. The
// error is the first reason why something bad that was seen is kept nowhere.
func (w *slotWatch) end(patience time.Duration) error {
	if w == nil {
		return nil
	}
	w.stop()
	late := time.AfterFunc(patience, w.giveUp)
	<-w.done
	late.Stop()
	w.giveUp()
	return w.unkept
}

// Seen are the changes that the run's watch saw, by time.
func (e *Evidence) Seen(ctx context.Context) ([]slots.Change, error) {
	var all []slots.Change
	for event, err := range e.Repo.Events(ctx, e.Record.Run) {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(event.Kind, watchKind) {
			continue
		}
		var c slots.Change
		if err := json.Unmarshal(event.Body, &c); err != nil {
			return nil, fmt.Errorf("read event %s of run %s: %w", event.Kind, RunName(e.Record.Run), err)
		}
		all = append(all, c)
	}
	return all, nil
}
