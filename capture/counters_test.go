package capture

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// A stream that goes on from an earlier position, on another server, takes nothing
// back from the one before.
func TestConfirmedNeverGoesBack(t *testing.T) {
	var c Counters
	for _, at := range []pg.LSN{5, 10, 7} {
		c.confirm(at)
	}
	if c.Confirmed() != 10 {
		t.Errorf("confirmed up to %s, want 0/A", c.Confirmed())
	}
}
