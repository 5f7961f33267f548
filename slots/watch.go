package slots

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// glanceTime bounds one look of a watch.
const glanceTime = 10 * time.Second

// Vigil says what is watched, and how.
type Vigil struct {
	// Hosts are asked each by itself, every so often.
	Hosts []node.Target
	Every time.Duration
	// Consumers, if not nil, gives the positions up to which consumers have all
	// durably, by slot. It is asked after each look.
	Consumers func() map[string]pg.LSN
	// Tell is told of each change, one after the other; its error ends the watch.
	Tell func(Change) error
}

// Watch asks all nodes until the context is done, and tells what changes. A node
// that does not answer holds up none of the others. A look is a connection of its
// own: a session that stayed would keep a server up that waits for its clients to
// leave.
//
// Nodes of two clusters, a version that is too old, and nodes of which none is
// reached at first are errors of kind trouble.
func Watch(ctx context.Context, w Vigil) (Answer, error) {
	watcher := NewWatcher(namesOf(w.Hosts)...)
	going, end := broken(ctx)
	defer end()
	group, ctx := errgroup.WithContext(going)
	looks := make(chan Node)
	for _, h := range w.Hosts {
		group.Go(func() error { return stare(ctx, h, w.Every, looks) })
	}
	group.Go(func() error {
		var held []Change
		for {
			select {
			case <-ctx.Done():
				return nil
			case now := <-looks:
				if err := watcher.refuse(now); err != nil {
					return err
				}
				var consumers map[string]pg.LSN
				if w.Consumers != nil {
					consumers = w.Consumers()
				}
				held = append(held, watcher.Step(time.Now().UTC().Truncate(time.Millisecond), now, consumers)...)
				if !watcher.Reached() {
					if watcher.Blind() {
						return trouble.Unreachable("no node was reached: %s", texts(held))
					}
					continue
				}
				for _, c := range held {
					if err := w.Tell(c); err != nil {
						return err
					}
				}
				held = held[:0]
			}
		}
	})
	err := group.Wait()
	return watcher.Answer(), err
}

// broken gives a context that is broken off when another one ends, and has no
// deadline: a look that runs into one would pass for a node that is away.
func broken(by context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(by))
	stop := context.AfterFunc(by, cancel)
	return ctx, func() { stop(); cancel() }
}

func namesOf(hosts []node.Target) []string {
	var names []string
	for _, h := range hosts {
		names = append(names, nameOf(h))
	}
	return names
}

// stare looks at one node again and again. A look that takes longer than the pause
// between two is followed by the next at once.
func stare(ctx context.Context, host node.Target, every time.Duration, looks chan<- Node) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		now := glance(ctx, host)
		// What was broken off shows nothing.
		if ctx.Err() != nil {
			return nil
		}
		select {
		case looks <- now:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// glance is a look that asks for no history.
func glance(ctx context.Context, host node.Target) Node {
	ctx, cancel := context.WithTimeout(ctx, glanceTime)
	defer cancel()
	n := Node{Name: nameOf(host), Role: RoleUnreachable}
	id, err := n.ask(ctx, host.WithTimeout(connectTime).WithoutCancel())
	if err != nil {
		n.Role, n.Err = RoleUnreachable, oneLine(err)
		return n
	}
	if id.Pooled {
		return Node{Name: n.Name, Role: RoleUnreachable, Err: "a pooler answers, behind which servers change: name the nodes themselves"}
	}
	if n.Timeline == 0 {
		n.Unseen = append(n.Unseen, "its timeline: its WAL receiver does not run, or grant pg_read_all_stats")
	}
	return n
}
