package relay

import (
	"bytes"
	"encoding/binary"
	"slices"
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
	held  []byte // an unfinished message, or its unfinished head
	body  int    // bytes left of a message that passes unread
	muted bool   // nothing passes
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
// result is true when a script ends the connection: nothing passes after it.
func (d *dialogue) fromServer(p []byte) ([]byte, bool) {
	if d.muted {
		return nil, false
	}
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

// messages walks the messages in p from at on. Those that the relay's script
// wants to see are taken whole, and what the script says stands in their place.
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
		script := d.relay.current()
		if script == nil || size < 4 || size > longest {
			at += 5
			d.body = max(size-4, 0)
			continue
		}
		end := at + 1 + size
		if len(p) < end {
			return d.hold(p, at)
		}
		answer := script(Message(bytes.Clone(p[at:end])))
		p = slices.Replace(p, at, end, answer.Send...)
		at += len(answer.Send)
		switch answer.Then {
		case GoOn:
		case Silence:
			d.muted = true
			return p[:at], false
		case End:
			return p[:at], true
		}
	}
	return p, false
}

// hold keeps the unfinished message at the end of p until the rest has come.
func (d *dialogue) hold(p []byte, at int) ([]byte, bool) {
	d.held = bytes.Clone(p[at:])
	return p[:at], false
}
