package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is far more than what is waited for takes on a machine that is busy.
const patience = 30 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a relay with one connection through it, both ends in hand.
type pair struct {
	relay          *relay.Relay
	target         net.Listener
	client, server net.Conn
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial connects a client to the relay with a deadline for all it does.
func dial(t *testing.T, r *relay.Relay) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// turnedAway fails the test unless a new connection is reset at once.
func turnedAway(t *testing.T, r *relay.Relay) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		return // reset before the dial was over
	}
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	over(t, c)
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	must(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	c, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

func newPair(t *testing.T) pair {
	t.Helper()
	l := listen(t)
	r, err := relay.Listen(t.Context(), l.Addr().String())
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	client := dial(t, r)
	return pair{relay: r, target: l, client: client, server: accept(t, l)}
}

// pass sends a text from one side and reads it at the other.
func pass(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	_, err := from.Write([]byte(text))
	must(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(to, got)
	must(t, err)
	if string(got) != text {
		t.Fatalf("got %q, want %q", got, text)
	}
}

// silent fails the test if anything arrives, or the connection ends, in a while.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("read %d bytes, %v; want silence", n, err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
}

// over reads what is left and fails the test unless the connection then ends.
func over(t *testing.T, c net.Conn) string {
	t.Helper()
	var all bytes.Buffer
	_, err := io.Copy(&all, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("connection is still open")
	}
	return all.String()
}

func TestFreezeHoldsAndResumeFlows(t *testing.T) {
	p := newPair(t)
	pass(t, p.client, p.server, "GET ")
	pass(t, p.server, p.client, "xyz")
	p.relay.Freeze()
	_, err := p.server.Write([]byte("held"))
	must(t, err)
	silent(t, p.client)
	late := dial(t, p.relay) // accepted and held
	silent(t, late)
	p.relay.Resume()
	got := make([]byte, 4)
	_, err = io.ReadFull(p.client, got)
	must(t, err)
	if string(got) != "held" {
		t.Fatalf("got %q after Resume", got)
	}
	pass(t, late, accept(t, p.target), "late")
}

// TestFreezeInterruptsABlockedWrite has a client that does not read, so that the
// relay's write blocks when the freeze comes, and compares all bytes after it.
func TestFreezeInterruptsABlockedWrite(t *testing.T) {
	p := newPair(t)
	const size = 16 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := p.server.Write(sent)
		wrote <- err
	}()
	got := make([]byte, size)
	_, err := io.ReadFull(p.client, got[:1<<20])
	must(t, err)
	frozen := make(chan struct{})
	go func() { p.relay.Freeze(); close(frozen) }()
	select {
	case <-frozen:
	case <-time.After(patience):
		t.Fatal("Freeze waits for a client that does not read")
	}
	p.relay.Resume()
	_, err = io.ReadFull(p.client, got[1<<20:])
	must(t, err)
	must(t, <-wrote)
	if !bytes.Equal(got, sent) {
		t.Error("bytes changed over a freeze")
	}
}

func TestSeverDropsWhatIsHeld(t *testing.T) {
	p := newPair(t)
	p.relay.Freeze()
	_, err := p.server.Write([]byte("lost"))
	must(t, err)
	p.relay.Sever()
	if got := over(t, p.client); got != "" {
		t.Errorf("got %q after Sever", got)
	}
	p.relay.Resume() // does not undo it
	turnedAway(t, p.relay)
	p.relay.Retarget(p.target.Addr().String())
	pass(t, dial(t, p.relay), accept(t, p.target), "again")
}

func TestCutAndResume(t *testing.T) {
	p := newPair(t)
	p.relay.Cut()
	over(t, p.client)
	over(t, p.server)
	turnedAway(t, p.relay)
	p.relay.Resume()
	pass(t, dial(t, p.relay), accept(t, p.target), "again")
}

func TestRetarget(t *testing.T) {
	p := newPair(t)
	other := listen(t)
	p.relay.Retarget(other.Addr().String())
	over(t, p.client)
	pass(t, dial(t, p.relay), accept(t, other), "moved")
	if p.relay.Target() != other.Addr().String() {
		t.Errorf("target %s", p.relay.Target())
	}
}

func TestHalfCloseAndEnd(t *testing.T) {
	p := newPair(t)
	must(t, p.client.(*net.TCPConn).CloseWrite())
	if got := over(t, p.server); got != "" {
		t.Fatalf("got %q", got)
	}
	pass(t, p.server, p.client, "still")
	must(t, p.server.Close())
	over(t, p.client)
	for end := time.Now().Add(patience); p.relay.Connections() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the relay keeps a connection that has ended")
		}
	}
}

func TestContextEndsTheRelay(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := relay.Listen(ctx, l.Addr().String())
	must(t, err)
	c := dial(t, r)
	cancel()
	over(t, c)
	must(t, r.Close())
}
