package capture

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
	"time"
)

func TestPacedBringsAll(t *testing.T) {
	want := make([]byte, 3*pacedBytes+17)
	for i := range want {
		want[i] = byte(i * 7)
	}
	for name, from := range map[string]io.Reader{
		"whole": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)),
		"end with the data": iotest.DataErrReader(bytes.NewReader(want)), "timeouts": iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(want))),
	} {
		p := newPaced(from)
		got, err := io.ReadAll(p)
		if err != nil {
			// As after a deadline, reading goes on.
			var rest []byte
			rest, err = io.ReadAll(p)
			got = append(got, rest...)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestPacedNap(t *testing.T) {
	p := newPaced(nil)
	for lag, want := range map[time.Duration]time.Duration{
		-time.Hour: 0, 0: 0, backlog: 0, 24 * time.Millisecond: 3 * time.Millisecond, time.Hour: longestNap,
	} {
		if p.lag(lag); p.nap != want {
			t.Errorf("after a lag of %v: %v, want %v", lag, p.nap, want)
		}
	}
}
