package pg_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
)

func TestBytes(t *testing.T) {
	for n, want := range map[pg.Bytes]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_234_567: "1.2 MB", 5e9: "5.0 GB", -1: "-1 B",
	} {
		if got := n.String(); got != want {
			t.Errorf("%d bytes are %q, want %q", int64(n), got, want)
		}
	}
}
