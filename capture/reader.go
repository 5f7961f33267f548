package capture

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
)

// reader is where the stream of the writers' server can be read at this moment.
// Any other node is left alone, whether it takes writes or not: only the
// writers' way tells whose server is theirs.
func (c *Capture) reader(ctx context.Context) (node.Target, error) {
	if c.config.Target == c.config.Writers {
		return c.config.Target, nil
	}
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	theirs, err := c.identify(ctx, c.config.Writers)
	if err != nil {
		return node.Target{}, fmt.Errorf("ask who answers the writers: %w", err)
	}
	var others []error
	for _, host := range c.config.Target.Hosts() {
		id, err := c.identify(ctx, host)
		switch {
		case err != nil:
			others = append(others, err)
		case id.Start == theirs.Start && id.Timeline == theirs.Timeline:
			return host, nil
		}
	}
	return node.Target{}, errors.Join(append([]error{fmt.Errorf("none of %s is the server that answers at %s", c.config.Target, c.config.Writers)}, others...)...)
}

func (c *Capture) identify(ctx context.Context, t node.Target) (node.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	conn, err := node.Connect(ctx, t, c.app())
	if err != nil {
		return node.Identity{}, err
	}
	defer node.Close(conn)
	return node.Identify(ctx, conn)
}

// watch looks now and then who answers where the writers connect, and makes the
// session leave a server that is not theirs any more. An endpoint that does not
// answer proves nothing.
func (c *Capture) watch(ctx context.Context, id node.Identity, s *session) {
	tick := time.NewTicker(lookSoon)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-tick.C:
			if now.Sub(last) < lookEvery && !s.struggling() {
				continue
			}
		case <-c.look:
		case <-ctx.Done():
			return
		}
		now, err := c.ask(ctx)
		last = time.Now()
		if why := s.reason(id, now, err); why != nil && ctx.Err() == nil {
			s.leave(why)
			return
		}
	}
}

// reason says why a server is to be left, after a look that brought now or err;
// nil if it is not.
func (s *session) reason(id, now node.Identity, err error) error {
	if full, ok := errors.AsType[*errRetained](err); ok && now.Start == id.Start {
		return full
	}
	switch {
	case now.Start != 0 && !now.InRecovery && (now.Start != id.Start || now.Timeline != id.Timeline):
		return errMoved
	case err != nil && now.Start == 0 && s.struggling() && unanswered(err):
		return errLeft
	default:
		return nil
	}
}

// ask looks who answers where the writers connect, and how much of its log the
// slot holds back; too much is an [*errRetained].
func (c *Capture) ask(ctx context.Context) (node.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	conn, err := node.Connect(ctx, c.config.Writers, c.app())
	if err != nil {
		return node.Identity{}, err
	}
	defer node.Close(conn)
	id, err := node.Identify(ctx, conn)
	if err != nil || id.InRecovery {
		return id, err
	}
	return id, c.weigh(ctx, conn)
}

// unanswered tells whether a connect failed because no server was there to
// answer: a pooler says so in an error of class 08 (connection exception).
func unanswered(err error) bool {
	state := stateOf(err)
	return state == "" || state == shuttingDown || strings.HasPrefix(state, "08")
}
