package relay

import (
	"bytes"
	"strings"
	"testing"
)

// TestScriptSeesWholeMessages cuts what a server sends into pieces of every
// size: the script sees the same messages each time, may keep them though the
// pieces' memory is used again, and what it answers stands in their place.
func TestScriptSeesWholeMessages(t *testing.T) {
	var all, want []byte
	var shown []string
	for _, m := range []Message{
		NewMessage('C', []byte("COMMIT\x00")), NewMessage('1', nil), NewMessage('D', []byte(strings.Repeat("C", 500))),
		NewMessage('E', []byte("words\x00")), NewMessage('Z', []byte("I")),
	} {
		all, shown = append(all, m...), append(shown, string(m))
		if m.Type() == 'E' {
			m = NewMessage('E', []byte("other and longer words\x00"))
		}
		want = append(want, m...)
	}
	for size := 1; size <= len(all); size++ {
		var kept []Message
		d := &dialogue{phase: typed, relay: &Relay{script: func(m Message) Answer {
			kept = append(kept, m)
			if m.Type() == 'E' {
				return Answer{Send: NewMessage('E', []byte("other and longer words\x00"))}
			}
			return Pass(m)
		}}}
		var got []byte
		buf := make([]byte, size)
		for at := 0; at < len(all); at += size {
			n := copy(buf, all[at:])
			pass, end := d.fromServer(buf[:n])
			got = append(got, pass...)
			if end {
				t.Fatalf("pieces of %d: the connection ends", size)
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("pieces of %d: %d bytes pass, want %d: %q", size, len(got), len(want), got)
		}
		for i, m := range kept {
			if string(m) != shown[i] {
				t.Fatalf("pieces of %d: message %d is %q, want %q", size, i, m, shown[i])
			}
		}
		if len(kept) != len(shown) {
			t.Fatalf("pieces of %d: %d messages shown, want %d", size, len(kept), len(shown))
		}
	}
}
