package relay_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// message is a server message.
func message(kind byte, body string) string { return string(relay.NewMessage(kind, []byte(body))) }

// greeted is a pair past the client's first packets, with encryption refused.
func greeted(t *testing.T) pair {
	t.Helper()
	p := newPair(t)
	pass(t, p.client, p.server, "\x00\x00\x00\x08\x04\xd2\x16\x2f") // SSLRequest
	pass(t, p.server, p.client, "N")
	pass(t, p.client, p.server, "\x00\x00\x00\x08\x00\x03\x00\x00") // StartupMessage
	return p
}

// dribble sends a text in pieces of a few bytes each, until that fails.
func dribble(c net.Conn, text string) {
	for i := 0; i < len(text); i += 3 {
		if _, err := io.WriteString(c, text[i:min(i+3, len(text))]); err != nil {
			return
		}
	}
}

// TestScriptSpeaks changes one message, drops one, puts one in, and lets pass
// the others, among them one that is too long to be shown.
func TestScriptSpeaks(t *testing.T) {
	p := greeted(t)
	long := message('D', strings.Repeat("C", 70000))
	p.relay.Script(func(m relay.Message) relay.Answer {
		switch m.Type() {
		case 'E':
			return relay.Answer{Send: relay.NewMessage('E', []byte("other words\x00"))}
		case 'N':
			return relay.Answer{}
		case 'Z':
			return relay.Answer{Send: append(relay.NewMessage('~', nil), m...)}
		case 'D':
			if len(m) == len(long) {
				t.Error("a message of 70000 bytes was shown")
			}
		}
		if m.Tells("COMMIT") != (string(m.Body()) == "COMMIT\x00") {
			t.Errorf("Tells is wrong of %q", m)
		}
		return relay.Pass(m)
	})
	go dribble(p.server, message('C', "COMMIT\x00")+long+message('E', "words\x00")+message('N', "x")+message('1', "")+message('Z', "I"))
	want := message('C', "COMMIT\x00") + long + message('E', "other words\x00") + message('1', "") + message('~', "") + message('Z', "I")
	got := make([]byte, len(want))
	_, err := io.ReadFull(p.client, got)
	must(t, err)
	if string(got) != want {
		t.Errorf("got %d bytes that differ from what was scripted", len(got))
	}
	p.relay.Script(nil)
	pass(t, p.server, p.client, message('E', "words\x00"))
}

// TestScriptSilences loses all from one message on, though what the client sends
// still arrives and no side is told.
func TestScriptSilences(t *testing.T) {
	p := greeted(t)
	p.relay.Script(func(m relay.Message) relay.Answer {
		if m.Type() == 'E' {
			return relay.Answer{Send: relay.NewMessage('1', nil), Then: relay.Silence}
		}
		return relay.Pass(m)
	})
	go dribble(p.server, message('C', "a\x00")+message('E', "b\x00")+message('Z', "I"))
	want := message('C', "a\x00") + message('1', "")
	got := make([]byte, len(want))
	_, err := io.ReadFull(p.client, got)
	must(t, err)
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	pass(t, p.client, p.server, "still")
	silent(t, p.client)
	p.relay.Script(nil)
	_, err = io.WriteString(p.server, message('Z', "I"))
	must(t, err)
	silent(t, p.client)
}

// TestScriptEnds closes a connection after the words that the script gave it.
func TestScriptEnds(t *testing.T) {
	p := greeted(t)
	p.relay.Script(func(m relay.Message) relay.Answer { return relay.Answer{Send: m, Then: relay.End} })
	go dribble(p.server, message('E', "last words\x00")+message('Z', "I"))
	if got, want := over(t, p.client), message('E', "last words\x00"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
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

// FuzzDialogue sends any bytes both ways: neither without a script nor with one
// that passes all does the relay change any.
func FuzzDialogue(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08\x00\x03\x00\x00"), []byte(message('C', "COMMIT\x00")))
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x00\x03\x00\x00"), []byte("N"+message('Z', "I")))
	f.Add([]byte("\x16\x03\x01"), []byte("C\x00\x00"))
	f.Fuzz(func(t *testing.T, up, down []byte) {
		unchanged(t, nil, up, down)
		unchanged(t, relay.Pass, up, down)
	})
}

// unchanged sends bytes both ways and fails the test if others arrive.
func unchanged(t *testing.T, script relay.Script, up, down []byte) {
	t.Helper()
	p := newPair(t)
	p.relay.Script(script)
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
	// Of an unfinished message at the end, the head may stay behind; all of
	// it where a script waits for it.
	held := 4
	if script != nil {
		held += 1 << 16
	}
	if got := over(t, p.client); !strings.HasPrefix(string(down), got) || len(down)-len(got) > held {
		t.Fatalf("server sent %q, client got %q", down, got)
	}
}
