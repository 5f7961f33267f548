// Package relay is a TCP relay that stands between a standby and its primary,
// or between a client and its server, and does to the traffic what a bad
// network does: hold it, cut it, lose it, or lose exactly one message of it. By
// a [Script] it says what no network and no healthy server would say.
//
// A relay holds at most one read of each direction in memory, and one message
// that a script is to see, so what it has forwarded is known at every moment:
// once [Relay.Freeze] has returned, not one more byte is forwarded until
// [Relay.Resume].
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// state is what a relay does with traffic and with new connections.
type state int

const (
	flowing state = iota // forwards
	frozen               // holds connections and new ones, forwards nothing
	cut                  // resets new connections until Resume or Retarget
	severed              // resets new connections until Retarget
	closed               // over
)

// dialTimeout bounds the connection to the target.
const dialTimeout = 5 * time.Second

// Relay forwards TCP connections from its own address to a target. All methods
// may be called at any time from any goroutine.
type Relay struct {
	listener *net.TCPListener
	ctx      context.Context // ends with Close; bounds dialing only
	cancel   context.CancelFunc
	unhook   func() bool
	wg       sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond // signalled with each change of what mu guards
	state  state
	target string
	links  map[*link]struct{}
	script Script // nil for none
}

// Listen starts a relay from a free port of 127.0.0.1 to target, a host:port.
// The relay ends with Close, or with ctx.
func Listen(ctx context.Context, target string) (*Relay, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for relay to %s: %w", target, err)
	}
	listener, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen for relay to %s: not a TCP listener", target), l.Close())
	}
	r := &Relay{listener: listener, target: target, links: make(map[*link]struct{})}
	r.cond = sync.NewCond(&r.mu)
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.wg.Go(r.accept)
	r.unhook = context.AfterFunc(ctx, r.shut)
	return r, nil
}

// Addr is the relay's own address, as host:port.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Port is the port of the relay's own address.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Target is the address that new connections go to.
func (r *Relay) Target() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.target
}

// Connections is the number of connections that are open or held.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.links)
}

// Freeze stops forwarding in both directions. Connections stay open and are
// not read, so bytes pile up in the sockets and flow on Resume. New connections
// are accepted and held. When Freeze returns, nothing more is forwarded: neither
// a blocked write nor a finished read goes on. A relay that is cut, severed or
// closed stays so.
func (r *Relay) Freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != flowing {
		return
	}
	r.state = frozen
	past := time.Unix(1, 0)
	for l := range r.links {
		l.deadline(past)
	}
	for r.state == frozen && r.moving() {
		r.cond.Wait()
	}
}

// moving says whether a pump has not yet come to rest. mu is held.
func (r *Relay) moving() bool {
	for l := range r.links {
		if !l.closed && l.parked < l.pumps {
			return true
		}
	}
	return false
}

// Resume ends what Freeze or Cut began. What the sockets held flows on.
func (r *Relay) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != frozen && r.state != cut {
		return
	}
	r.flow()
}

// flow makes the relay forward. mu is held.
func (r *Relay) flow() {
	r.state = flowing
	for l := range r.links {
		l.deadline(time.Time{})
	}
	r.cond.Broadcast()
}

// Cut resets all connections, and each new one until Resume or Retarget.
func (r *Relay) Cut() { r.drop(cut) }

// Sever drops every byte that is not yet forwarded and resets all connections,
// for ever: only Retarget makes the relay accept again. Called after Freeze, it
// makes the loss exact: what the far side had received by then is all that it
// will ever get.
func (r *Relay) Sever() { r.drop(severed) }

// drop resets all connections and enters a state that takes no new ones.
func (r *Relay) drop(to state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == closed {
		return
	}
	if r.state != severed {
		r.state = to
	}
	for l := range r.links {
		l.reset()
	}
	r.cond.Broadcast()
}

// Retarget makes the relay an endpoint that moves: connections to the old
// target are reset, and new ones go to target at once, whatever held the relay
// before.
func (r *Relay) Retarget(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == closed {
		return
	}
	for l := range r.links {
		l.reset()
	}
	r.target = target
	r.flow()
}

// Close ends the listener and all connections, and waits for all goroutines.
// It may be called more than once.
func (r *Relay) Close() error {
	r.unhook()
	r.shut()
	r.wg.Wait()
	return nil
}

// shut begins the end, without waiting for it.
func (r *Relay) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == closed {
		return
	}
	r.state = closed
	r.cancel()
	_ = r.listener.Close() // the accept loop ends with it; there is nobody to tell
	for l := range r.links {
		l.reset()
	}
	r.cond.Broadcast()
}

// accept takes connections until the listener is closed.
func (r *Relay) accept() {
	for {
		conn, err := r.listener.AcceptTCP()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // such as ECONNABORTED: the next one may be good
		}
		r.mu.Lock()
		l := &link{relay: r, client: conn}
		if r.state == flowing || r.state == frozen {
			r.links[l] = struct{}{}
			r.wg.Go(l.run)
		} else {
			l.reset()
		}
		r.mu.Unlock()
	}
}

// gate blocks a pump while the relay is frozen, and says whether its link lives.
func (r *Relay) gate(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.state == frozen && !l.closed {
		l.parked++
		r.cond.Broadcast()
		r.cond.Wait()
		l.parked--
	}
	return !l.closed
}
