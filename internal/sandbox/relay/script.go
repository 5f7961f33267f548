package relay

import (
	"encoding/binary"
	"sync"
)

// longest is the length of the longest message that a script is shown, as the
// message itself states it.
const longest = 1 << 16

// Message is one message of a server, whole: a type byte, the length of what
// follows with the length itself, and the body.
type Message []byte

// NewMessage makes a message of any type, also of one that PostgreSQL does not
// have.
func NewMessage(kind byte, body []byte) Message {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(m, body...)
}

// Type is the type byte.
func (m Message) Type() byte { return m[0] }

// Body is what follows the length.
func (m Message) Body() []byte { return m[5:] }

// Tells says whether the message is the CommandComplete with exactly this tag.
func (m Message) Tells(tag string) bool {
	return m.Type() == 'C' && string(m.Body()) == tag+"\x00"
}

// Then is what becomes of a connection after a message.
type Then uint8

const (
	// GoOn lets the dialogue go on.
	GoOn Then = iota
	// Silence loses all that the server sends from then on, and keeps the
	// connection open while the server does: what the client sends still
	// arrives.
	Silence
	// End closes the connection on both sides, once what passed has been
	// sent.
	End
)

// Answer is what the client is given for a message of the server.
type Answer struct {
	// Send stands in the message's place: the message itself, another one,
	// several, or nothing.
	Send []byte
	Then Then
}

// Pass is the answer that changes nothing.
func Pass(m Message) Answer { return Answer{Send: m} }

// Script decides on each message from the server. It is called in the order of
// a connection's messages, by several goroutines if there are several
// connections, must not block, and may keep the message.
type Script func(Message) Answer

// Script makes the relay a peer with words of its own: each message that begins
// to come from the server from now on, on any connection, is shown to the
// script, and what that answers is sent in its place. It takes the place of an
// earlier script; nil ends it. Messages of more than 64 KiB pass unseen, and so
// does all of an encrypted connection.
func (r *Relay) Script(s Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = s
}

// current is the script that is in force, or nil.
func (r *Relay) current() Script {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.script
}

// EatNext gives the relay a script that strikes once: when the next
// CommandComplete with exactly this tag ("COMMIT", "INSERT 0 1") comes from the
// server on any connection, it and all that follows it is swallowed, and that
// connection is closed on both sides. The channel is closed when this happens.
// The server has then done what the tag says, or is about to (a statement outside
// a transaction block commits after its CommandComplete), and the client does
// not know.
func (r *Relay) EatNext(tag string) <-chan struct{} {
	eaten := make(chan struct{})
	var once sync.Once
	r.Script(func(m Message) Answer {
		answer := Pass(m)
		if m.Tells(tag) {
			once.Do(func() {
				close(eaten)
				answer = Answer{Then: End}
			})
		}
		return answer
	})
	return eaten
}
