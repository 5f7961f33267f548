package capture

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

const (
	// pacedBytes is how much one read of the socket may bring.
	pacedBytes = 256 << 10
	// backlog is the lag from which on the reader paces itself.
	backlog              = 20 * time.Millisecond
	leastNap, longestNap = time.Millisecond / 2, 10 * time.Millisecond
)

// paced reads a socket in bursts while there is a backlog. A walsender writes
// each message by itself; a reader that keeps up makes each of them a packet
// and a wake-up of its own, at the cost of both sides. One that naps after it
// has emptied the socket finds many of them at once, and lags no more for it.
type paced struct {
	from        io.Reader
	buf         []byte
	read, write int
	nap         time.Duration
	emptied     bool
}

// plain tells whether a read of the connection empties its socket. Under TLS
// each read brings one record, and the walsender makes one of each message: a
// nap after it would let the backlog grow.
func plain(c net.Conn) bool {
	_, secure := c.(*tls.Conn)
	return !secure
}

func newPaced(from io.Reader) *paced { return &paced{from: from, buf: make([]byte, pacedBytes)} }

// Read gives what is buffered, and reads the socket once if that is nothing.
func (p *paced) Read(to []byte) (int, error) {
	if p.read == p.write {
		if p.nap > 0 && p.emptied {
			time.Sleep(p.nap)
			p.emptied = false
		}
		n, err := p.from.Read(p.buf)
		p.read, p.write, p.emptied = 0, n, n < len(p.buf)
		if n == 0 {
			return 0, err
		}
	}
	n := copy(to, p.buf[p.read:p.write])
	p.read += n
	return n, nil
}

// lag tells how long after its commit a transaction was sent, by the server's
// clock.
func (p *paced) lag(d time.Duration) {
	p.nap = 0
	if d > backlog {
		p.nap = min(max(d/8, leastNap), longestNap)
	}
}
