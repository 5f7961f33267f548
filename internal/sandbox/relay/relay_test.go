package relay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
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
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	over(t, c)
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	must(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(10*time.Second)))
	c, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
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
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
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
	case <-time.After(5 * time.Second):
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
	for end := time.Now().Add(5 * time.Second); p.relay.Connections() != 0; time.Sleep(time.Millisecond) {
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

// message is a server message.
func message(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))) + body
}

// TestEatNextInPieces sends a dialogue byte by byte: what comes before the
// message arrives whole, neither it nor what follows does.
func TestEatNextInPieces(t *testing.T) {
	p := newPair(t)
	startup := "\x00\x00\x00\x08\x00\x03\x00\x00"
	pass(t, p.client, p.server, "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest
	pass(t, p.server, p.client, "N")
	pass(t, p.client, p.server, startup)
	eaten := p.relay.EatNext("COMMIT")
	before := message('R', "\x00\x00\x00\x00") + message('C', "COMMIT PREPARED\x00") + message('D', "xC\x00\x00\x00\x0bCOMMIT\x00") + message('T', strings.Repeat("C", 70000))
	all := before + message('C', "COMMIT\x00") + message('Z', "I")
	go func() {
		for i := 0; i < len(all); {
			n := 1
			if i > 100 && i < len(before)-10 {
				n = len(before) - 10 - i
			}
			if _, err := p.server.Write([]byte(all[i : i+n])); err != nil {
				return // the relay has closed it
			}
			i += n
		}
	}()
	if got := over(t, p.client); got != before {
		t.Errorf("got %d bytes, want the %d before the message", len(got), len(before))
	}
	select {
	case <-eaten:
	case <-time.After(5 * time.Second):
		t.Error("nothing was eaten")
	}
}

// TestEatNextOfAServer loses the answer to a commit that a real server made.
func TestEatNextOfAServer(t *testing.T) {
	v := sandboxtest.Primary(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := relay.Listen(ctx, v.Addr())
	must(t, err)
	defer func() { must(t, r.Close()) }()
	must(t, v.Exec(ctx, "CREATE TABLE t (x int)"))
	dsn := strings.Replace(v.DSNAt(r.Addr(), "postgres"), "disable", "prefer", 1)
	conn, err := pgconn.Connect(ctx, dsn)
	must(t, err)
	eaten := r.EatNext("COMMIT")
	for _, sql := range []string{"BEGIN", "INSERT INTO t VALUES (1)"} {
		_, err := conn.Exec(ctx, sql).ReadAll()
		must(t, err)
	}
	if _, err := conn.Exec(ctx, "COMMIT").ReadAll(); err == nil {
		t.Error("the client was told of the commit")
	}
	<-eaten
	if got, err := v.Value(ctx, "SELECT count(*) FROM t"); got != "1" || err != nil {
		t.Errorf("count %s, %v: the commit is not there", got, err)
	}
	// Armed once only.
	conn, err = pgconn.Connect(ctx, dsn)
	must(t, err)
	_, err = conn.Exec(ctx, "BEGIN; INSERT INTO t VALUES (2); COMMIT").ReadAll()
	must(t, err)
	must(t, conn.Close(ctx))
}

// FuzzDialogue sends any bytes both ways: unarmed, the relay changes none.
func FuzzDialogue(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08\x00\x03\x00\x00"), []byte(message('C', "COMMIT\x00")))
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x00\x03\x00\x00"), []byte("N"+message('Z', "I")))
	f.Add([]byte("\x16\x03\x01"), []byte("C\x00\x00"))
	f.Fuzz(func(t *testing.T, up, down []byte) {
		p := newPair(t)
		send := func(c net.Conn, b []byte) {
			if _, err := c.Write(b); err != nil {
				t.Error(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Error(err)
			}
		}
		send(p.client, up)
		if got := over(t, p.server); got != string(up) {
			t.Fatalf("client sent %q, server got %q", up, got)
		}
		send(p.server, down)
		// An unfinished message at the end may stay behind.
		if got := over(t, p.client); !strings.HasPrefix(string(down), got) || len(down)-len(got) > 130 {
			t.Fatalf("server sent %q, client got %q", down, got)
		}
	})
}
