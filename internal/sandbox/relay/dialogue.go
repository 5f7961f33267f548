package relay

import (
	"encoding/binary"
	"sync"
)

// Request codes of the first packet of a connection, PostgreSQL's
// src/include/libpq/pqcomm.h. A startup message has the protocol version there,
// whose upper half is 3.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// meal is a message that is to be eaten.
type meal struct {
	tag   string
	eaten chan struct{}
}

// EatNext arms the relay once: when the next CommandComplete with exactly this
// tag ("COMMIT", "INSERT 0 1") comes from the server on any connection, it and
// all that follows it is swallowed, and that connection is closed on both
// sides. The channel is closed when this has happened. The server has then done
// what the tag says, or is about to (a statement outside a transaction block
// commits after its CommandComplete), and the client does not know. Encrypted
// connections are not looked into. A later call takes the place of an earlier
// one that has not happened.
func (r *Relay) EatNext(tag string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meal = &meal{tag: tag, eaten: make(chan struct{})}
	return r.meal.eaten
}

// eats says whether a message with this tag is the one to eat; if so the relay
// is no longer armed.
func (r *Relay) eats(tag []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.meal == nil || r.meal.tag != string(tag) {
		return false
	}
	close(r.meal.eaten)
	r.meal = nil
	return true
}

// phase is how far a connection has come.
type phase int

const (
	starting phase = iota // the client's first packets, without a type byte
	typed                 // messages with type and length both ways
	opaque                // encrypted, or nothing that we know
)

// dialogue follows the messages of one connection. The client's pump moves it
// on before the packet that says so is forwarded, so the server's pump never
// sees a reply too early.
type dialogue struct {
	relay *Relay

	mu      sync.Mutex
	phase   phase
	first   []byte // client: head of a first packet, up to its code
	skip    int    // client: bytes left of a first packet
	answers int    // server: replies of one byte that are due

	// Only the server's pump uses these.
	held []byte // an unfinished head, or an unfinished CommandComplete
	body int    // bytes left of a message that passes
}

// fromClient takes what the client sent; all of it passes.
func (d *dialogue) fromClient(p []byte) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for rest := p; d.phase == starting && len(rest) > 0; {
		if d.skip > 0 {
			n := min(d.skip, len(rest))
			d.skip -= n
			rest = rest[n:]
			continue
		}
		n := min(8-len(d.first), len(rest))
		d.first = append(d.first, rest[:n]...)
		rest = rest[n:]
		if len(d.first) < 8 {
			break
		}
		size, code := binary.BigEndian.Uint32(d.first), binary.BigEndian.Uint32(d.first[4:])
		d.first = d.first[:0]
		switch {
		case code == sslRequest || code == gssRequest:
			d.answers++
		case code>>16 == 3 && size >= 8:
			d.phase = typed
		case code == cancelRequest && size >= 8:
			d.skip = int(min(size-8, 1<<16))
		default:
			d.phase = opaque
		}
	}
	return p, false
}

// fromServer takes what the server sent and returns what passes. The second
// result is true when a message was eaten: nothing passes after it.
func (d *dialogue) fromServer(p []byte) ([]byte, bool) {
	n, plain := d.preamble(p)
	if !plain {
		return p, false
	}
	return d.messages(p, n)
}

// preamble counts the replies of one byte at the head of p, and says whether
// messages that we can read may follow.
func (d *dialogue) preamble(p []byte) (int, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for d.answers > 0 && n < len(p) && d.phase != opaque {
		// 'N' refuses encryption, 'E' starts the error of a server that does not
		// know the request; anything else encrypts what follows.
		switch p[n] {
		case 'N':
			d.answers--
			n++
		case 'E':
			d.answers = 0
		default:
			d.phase = opaque
		}
	}
	return n, d.phase == typed
}

// messages walks the messages in p from at on.
func (d *dialogue) messages(p []byte, at int) ([]byte, bool) {
	if len(d.held) > 0 {
		p = append(d.held, p...)
		d.held = nil
	}
	for at < len(p) {
		if d.body > 0 {
			n := min(d.body, len(p)-at)
			d.body -= n
			at += n
			continue
		}
		if len(p)-at < 5 {
			return d.hold(p, at)
		}
		size := int(binary.BigEndian.Uint32(p[at+1:]))
		if p[at] != 'C' || size < 5 || size > 128 {
			at += 5
			d.body = max(size-4, 0)
			continue
		}
		if len(p)-at < 1+size {
			return d.hold(p, at)
		}
		if d.relay.eats(p[at+5 : at+size]) { // without the closing NUL
			return p[:at], true
		}
		at += 1 + size
	}
	return p, false
}

// hold keeps the unfinished message at the end of p until the rest has come.
func (d *dialogue) hold(p []byte, at int) ([]byte, bool) {
	d.held = append([]byte(nil), p[at:]...)
	return p[:at], false
}
