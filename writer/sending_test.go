package writer

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// telling stands in for a session's connection until something was written to
// it, which it tells.
type telling struct {
	net.Conn
	session *session
	wrote   chan<- struct{}
}

func (c telling) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.session.conn = c.Conn
	close(c.wrote)
	return n, err
}

// sendInto freezes the relay, so that an attempt is sent and does not arrive,
// and returns what waits until it was sent.
func sendInto(b *bench) (sent func()) {
	b.relay.Freeze()
	b.later(b.forsake)
	wrote, session := make(chan struct{}), b.worker.session
	session.conn = telling{session.conn, session, wrote}
	return func() {
		select {
		case <-wrote:
		case <-time.After(patience):
			b.t.Fatal("nothing was sent")
		}
	}
}

// TestResetAfterSending resets the connection when the attempt is out of the
// client's hands, and has not come to the server.
func TestResetAfterSending(t *testing.T) {
	for _, f := range both() {
		t.Run(f.String(), func(t *testing.T) {
			b := newBench(t, shared, f.inserts(), nil)
			sent := sendInto(b)
			b.send(func(b *bench) { sent(); b.relay.Sever() })
			b.restore()
			want := judged(txn.InDoubt, txn.Sent, txn.Reset, "")
			want.Conn = 1
			same(t, "entry", plain(b.entries[b.worker.number][0]), want)
			b.survives(lost)
			marker, _ := b.truth(1)
			same(t, "the marker", marker, absent)
			b.goesOn(lost)
		})
	}
}

// TestEndedWhileWriting ends an attempt that is more than the network takes at
// once, when part of it was written.
func TestEndedWhileWriting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		end     func(*bench)
		fault   txn.Fault
	}{
		{"reset", patience, func(b *bench) { b.relay.Sever() }, txn.Reset},
		{"deadline", patient, nil, txn.Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, shared, one.inserts(), func(c *Config) {
				c.StatementTimeout = tt.timeout
				c.Mix = plan.Mix{Insert: 100, MaxOps: 20_000, PayloadBytes: 1000}
				for len(plan.New(c.Mix, c.Seed, c.Run, c.Workers[0]).Next().Ops) < 14_000 {
					c.Seed++
				}
			})
			sent := sendInto(b)
			b.send(func(b *bench) {
				sent()
				if tt.end != nil {
					tt.end(b)
				}
			})
			b.restore()
			want := judged(txn.InDoubt, txn.Sent, tt.fault, "")
			want.Conn = 1
			same(t, "entry", plain(b.entries[b.worker.number][0]), want)
			b.survives(lost)
			marker, rows := b.truth(1)
			same(t, "the marker", fmt.Sprint(marker, " ", rows), fmt.Sprint(absent, " ", 0))
		})
	}
}

// TestGivenUpAttemptDoesNotArrive lets the network go on after the deadline of
// an attempt of which part was still in the client's own system: that part must
// not be sent any more.
func TestGivenUpAttemptDoesNotArrive(t *testing.T) {
	b := newBench(t, shared, one.inserts(), func(c *Config) {
		c.StatementTimeout = patient
		c.Mix.PayloadBytes = 1_000_000
	})
	sent := sendInto(b)
	b.send(func(*bench) { sent() })
	want := judged(txn.InDoubt, txn.Sent, txn.Timeout, "")
	want.Conn = 1
	same(t, "entry", plain(b.entries[b.worker.number][0]), want)
	b.relay.Resume()
	b.gone()
	marker, rows := b.truth(1)
	same(t, "the marker", fmt.Sprint(marker, " ", rows), fmt.Sprint(absent, " ", 0))
}
