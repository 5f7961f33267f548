package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// link is one connection through the relay: a client's, and ours to the target.
// Its fields but relay are guarded by relay.mu once run has begun.
type link struct {
	relay  *Relay
	client *net.TCPConn
	server *net.TCPConn // nil until connected
	closed bool
	pumps  int // directions that still forward
	parked int // of these, those that rest because the relay is frozen
}

// deadline sets the deadline of all reads and writes. relay.mu is held.
func (l *link) deadline(t time.Time) {
	// A connection that is closed meanwhile needs no deadline.
	_ = l.client.SetDeadline(t)
	if l.server != nil {
		_ = l.server.SetDeadline(t)
	}
}

// reset closes both sides at once; what is in our send buffers is dropped.
// relay.mu is held.
func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0)
			_ = c.Close() // closing twice is no harm
		}
	}
	l.closed = true
}

// finish closes both sides in order: what was forwarded is delivered.
func (l *link) finish() {
	l.relay.mu.Lock()
	defer l.relay.mu.Unlock()
	if l.closed {
		return
	}
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.Close()
		}
	}
	l.closed = true
	l.relay.cond.Broadcast()
}

// run connects to the target and forwards until one side ends.
func (l *link) run() {
	r := l.relay
	defer func() {
		l.finish()
		r.mu.Lock()
		delete(r.links, l)
		r.cond.Broadcast()
		r.mu.Unlock()
	}()
	if !r.gate(l) || !l.connect() {
		return
	}
	talk := &dialogue{relay: r}
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(l.server, l.client, talk.fromClient) })
	pumps.Go(func() { l.pump(l.client, l.server, talk.fromServer) })
	pumps.Wait()
}

// connect opens the connection to the target and says whether it stands. If the
// target cannot be reached, the client's connection is reset.
func (l *link) connect() bool {
	r := l.relay
	ctx, cancel := context.WithTimeout(r.ctx, dialTimeout)
	defer cancel()
	target := r.Target()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", target)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		l.reset()
		return false
	}
	server, ok := conn.(*net.TCPConn)
	if !ok || l.closed || target != r.target {
		_ = conn.Close()
		l.reset()
		return false
	}
	l.server = server
	l.pumps = 2
	if r.state == frozen {
		l.deadline(time.Unix(1, 0))
	}
	return true
}

// pump forwards one direction. Each read and each write is preceded by the
// gate, so a frozen relay forwards nothing, and what was read is not lost.
func (l *link) pump(dst, src *net.TCPConn, filter func([]byte) (pass []byte, end bool)) {
	r := l.relay
	defer func() {
		r.mu.Lock()
		l.pumps--
		r.cond.Broadcast()
		r.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	var rest []byte // read, not yet written
	var end bool    // nothing follows rest
	for r.gate(l) {
		if len(rest) == 0 && end {
			l.finish()
			return
		}
		if len(rest) == 0 {
			n, err := src.Read(buf)
			switch {
			case n > 0:
				rest, end = filter(buf[:n])
			case errors.Is(err, os.ErrDeadlineExceeded):
			case errors.Is(err, io.EOF):
				// The other direction may have more to say.
				_ = dst.CloseWrite()
				return
			default:
				l.finish()
				return
			}
			continue
		}
		n, err := dst.Write(rest)
		rest = rest[n:]
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			l.finish()
			return
		}
	}
}
