package writer

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// patient is a timeout like brief, but it is not to be reached before the server
// has answered.
const patient = 3 * time.Second

// which says of a message whether it is meant.
type which func(relay.Message) bool

func every(relay.Message) bool { return true }

func is(kind byte) which { return func(m relay.Message) bool { return m.Type() == kind } }

func tag(text string) which { return func(m relay.Message) bool { return m.Tells(text) } }

// instead puts other bytes in the place of the messages that are meant.
func instead(w which, with ...byte) func(*bench) {
	return edited(w, func(relay.Message) relay.Answer { return relay.Answer{Send: with} })
}

// before puts bytes before the messages that are meant.
func before(w which, put []byte) func(*bench) {
	return edited(w, func(m relay.Message) relay.Answer { return relay.Answer{Send: append(put[:len(put):len(put)], m...)} })
}

// stopped loses the messages that are meant and all that follows.
func stopped(w which, then relay.Then) func(*bench) {
	return edited(w, func(relay.Message) relay.Answer { return relay.Answer{Then: then} })
}

func edited(w which, edit relay.Script) func(*bench) {
	return func(b *bench) {
		b.speak(func(m relay.Message) relay.Answer {
			if w(m) {
				return edit(m)
			}
			return relay.Pass(m)
		})
	}
}

// failure is an error as a server sends it, in English.
func failure(severity, state string) []byte {
	return encoded(&pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: state, Message: "scripted"})
}

func encoded(m pgproto3.Message) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// translated gives the server's errors other severities: the one for people,
// and the one that is never translated, which is left out if empty.
func translated(severity, unlocalized string) func(*bench) {
	return edited(is('E'), func(m relay.Message) relay.Answer {
		var e pgproto3.ErrorResponse
		if err := e.Decode(m.Body()); err != nil {
			panic(err)
		}
		e.Severity, e.SeverityUnlocalized = severity, unlocalized
		return relay.Answer{Send: encoded(&e)}
	})
}

// reshaped gives the server's rows other columns.
func reshaped(change func([][]byte) [][]byte) func(*bench) {
	return edited(is('D'), func(m relay.Message) relay.Answer {
		var r pgproto3.DataRow
		if err := r.Decode(m.Body()); err != nil {
			panic(err)
		}
		return relay.Answer{Send: encoded(&pgproto3.DataRow{Values: change(r.Values)})}
	})
}

// TestPeerRows has the relay say what the network, a broken server or a pooler
// might. The server behind it does what it was asked for.
func TestPeerRows(t *testing.T) {
	const committed = present
	ready := func(status byte) []byte { return relay.NewMessage('Z', []byte{status}) }
	const taken = "23505"
	play(t, shared, []row{
		{
			name:    "cut before the first byte",
			arrange: func(b *bench) { b.relay.Cut(); b.later(b.relay.Resume); closedByPeer(b) },
			want:    judged(txn.Failed, txn.NotSent, txn.Reset, ""), life: lost, there: absent,
		},
		{
			name:    "the answer lost, and the connection",
			arrange: stopped(every, relay.End),
			want:    judged(txn.InDoubt, txn.Sent, txn.Reset, ""), life: lost, there: committed,
		},
		{
			name:    "the answer lost in a black hole",
			change:  func(c *Config) { c.StatementTimeout = brief },
			arrange: stopped(every, relay.Silence),
			want:    judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: committed,
		},
		{
			name:    "the attempt lost in a black hole",
			change:  func(c *Config) { c.StatementTimeout = brief },
			arrange: func(b *bench) { b.relay.Freeze(); b.later(b.forsake) },
			want:    judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: absent,
		},
		{
			name:   "the attempt come out of a black hole, too late",
			change: func(c *Config) { c.StatementTimeout = brief },
			arrange: func(b *bench) {
				b.relay.Freeze()
				b.later(func() {
					b.relay.Resume()
					until(b.t, "what was on its way", func() bool { return b.number("select count(*) from "+b.table()) > 0 })
				})
			},
			want: judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: present,
		},
		{
			name:    "the reply to COMMIT eaten",
			forms:   []form{many},
			arrange: stopped(tag("COMMIT"), relay.End),
			want:    told(txn.InDoubt, txn.Sent, txn.Reset, ""), life: lost, there: committed,
		},
		{
			name:    "the reply to COMMIT eaten by a black hole",
			forms:   []form{many},
			change:  func(c *Config) { c.StatementTimeout = patient },
			arrange: stopped(tag("COMMIT"), relay.Silence),
			want:    told(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: committed,
		},
		{
			name:    "the tag of the statement eaten",
			forms:   []form{one},
			arrange: stopped(tag("SELECT 1"), relay.End),
			want:    told(txn.InDoubt, txn.Sent, txn.Reset, ""), life: lost, there: committed,
		},
		{
			name:    "ReadyForQuery eaten",
			arrange: stopped(is('Z'), relay.End),
			want:    told(txn.InDoubt, txn.Sent, txn.Reset, ""), life: lost, there: committed,
		},
		{
			name:    "ReadyForQuery eaten by a black hole",
			change:  func(c *Config) { c.StatementTimeout = patient },
			arrange: stopped(is('Z'), relay.Silence),
			want:    told(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: committed,
		},
		{
			name:    "only the tag COMMIT is missing",
			forms:   []form{many},
			arrange: instead(tag("COMMIT")),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "another tag for COMMIT",
			forms:   []form{many},
			arrange: instead(tag("COMMIT"), relay.NewMessage('C', []byte("COMMITTED\x00"))...),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:  "the tag COMMIT for another statement",
			forms: []form{many},
			arrange: edited(is('C'), func(m relay.Message) relay.Answer {
				other := "COMMIT"
				if m.Tells(other) {
					other = "SELECT 1"
				}
				return relay.Answer{Send: relay.NewMessage('C', []byte(other+"\x00"))}
			}),
			want: told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "only a tag is missing",
			arrange: instead(tag("SELECT 1")),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "a tag too many",
			arrange: before(is('Z'), relay.NewMessage('C', []byte("COMMIT\x00"))),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "no rows",
			arrange: instead(is('D')),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "rows with a column too few",
			arrange: reshaped(func(v [][]byte) [][]byte { return v[:len(v)-1] }),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "rows with a column too many",
			arrange: reshaped(func(v [][]byte) [][]byte { return append(v, nil) }),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "rows with a null",
			arrange: reshaped(func(v [][]byte) [][]byte { v[1] = nil; return v }),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "ready in a transaction",
			arrange: instead(is('Z'), ready('T')...),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "ready in a failed transaction",
			arrange: instead(is('Z'), ready('E')...),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "a message that PostgreSQL does not have",
			arrange: before(is('Z'), relay.NewMessage('~', []byte("?"))),
			want:    told(txn.InDoubt, txn.Sent, txn.OtherFault, ""), life: lost, there: committed,
		},
		{
			name:    "an error after COMMIT",
			forms:   []form{many},
			arrange: before(is('Z'), failure("ERROR", "40001")),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, "40001"), life: lost, there: committed,
		},
		{
			name:    "FATAL in a class that fails as ERROR",
			arrange: instead(every, failure("FATAL", "53300")...),
			want:    judged(txn.InDoubt, txn.Answered, txn.TooManyConnections, "53300"), life: lost, there: committed,
		},
		{
			name:    "FATAL after all",
			arrange: instead(is('Z'), failure("FATAL", "57P02")...),
			want:    told(txn.InDoubt, txn.Answered, txn.ShuttingDown, "57P02"), life: lost, there: committed,
		},
		{
			name:    "PANIC",
			arrange: instead(is('Z'), failure("PANIC", "58030")...),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, "58030"), life: lost, there: committed,
		},
		{
			name:    "PANIC in a class that fails as ERROR",
			arrange: instead(is('Z'), failure("PANIC", "53100")...),
			want:    told(txn.InDoubt, txn.Answered, txn.OtherFault, "53100"), life: lost, there: committed,
		},
		{
			name:    "an error in another language",
			arrange: after(occupy(1), translated("FEHLER", "ERROR")),
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, taken), life: lives, there: absent,
		},
		{
			name:    "an error that is FATAL in words only",
			arrange: after(occupy(1), translated("FATAL", "ERROR")),
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, taken), life: lives, there: absent,
		},
		{
			name:    "an error without the severity that is not translated",
			arrange: after(occupy(1), translated("ERROR", "")),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, taken), life: lost, there: absent,
		},
		{
			name:    "an error whose severity is unknown",
			arrange: after(occupy(1), translated("ERROR", "FEHLER")),
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, taken), life: lost, there: absent,
		},
		{
			// The server may have said more: that it cannot take back what it
			// has committed is PANIC after the error.
			name: "an error, then the end of the connection",
			arrange: edited(every, func(relay.Message) relay.Answer {
				return relay.Answer{Send: failure("ERROR", "53200"), Then: relay.End}
			}),
			want: judged(txn.InDoubt, txn.Sent, txn.OtherFault, "53200"), life: lost, there: committed,
		},
		{
			name:   "an error, then a black hole",
			change: func(c *Config) { c.StatementTimeout = patient },
			arrange: after(occupy(1), edited(is('E'), func(m relay.Message) relay.Answer {
				return relay.Answer{Send: m, Then: relay.Silence}
			})),
			want: judged(txn.InDoubt, txn.Sent, txn.OtherFault, taken), life: lost, there: absent,
		},
		{
			name:    "an error, then FATAL",
			arrange: after(occupy(1), instead(is('Z'), failure("FATAL", "57P01")...)),
			want:    judged(txn.InDoubt, txn.Answered, txn.ShuttingDown, "57P01"), life: lost, there: absent,
		},
		{
			name:    "an error, and a rollback in vain",
			arrange: after(occupy(1), instead(is('Z'), ready('E')...)),
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, taken), life: lost, there: absent,
		},
		{
			name:    "an error, and a rollback that fails",
			forms:   []form{many},
			arrange: after(occupy(1), instead(tag("ROLLBACK"), failure("ERROR", "XX000")...)),
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, taken), life: lost, there: absent,
		},
		{
			name:    "an error, then another one",
			arrange: after(occupy(1), edited(is('E'), func(m relay.Message) relay.Answer { return relay.Answer{Send: append(m, failure("ERROR", "08006")...)} })),
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, taken), life: lives, there: absent,
		},
	})
}

// forsake loses what the relay has not forwarded, and lets it go on.
func (b *bench) forsake() {
	b.relay.Sever()
	b.relay.Retarget(b.server.Addr())
}

// closedByPeer waits until the worker's socket knows that its peer is gone.
func closedByPeer(b *bench) {
	check(b.t, b.worker.session.conn.SetReadDeadline(time.Now().Add(patience)))
	if _, err := b.worker.session.conn.Read(make([]byte, 1)); err == nil {
		b.t.Fatal("the connection is open")
	}
}
