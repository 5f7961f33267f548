package run

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/live"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// The stream is looked after once for each server process that follows the first.
func TestNewServer(t *testing.T) {
	looks := 0
	n := &newServer{Counters: &live.Counters{}, look: func() { looks++ }}
	for i, step := range []struct {
		contact pg.Contact
		looks   int
	}{
		{pg.Contact{System: 7, Timeline: 1, Start: 10}, 0},
		{pg.Contact{System: 7, Timeline: 1, Start: 10}, 0},
		{pg.Contact{System: 7, Timeline: 1, Start: 11}, 1}, // restarted
		{pg.Contact{System: 7, Timeline: 2, Start: 11}, 2},
		{pg.Contact{System: 7, Timeline: 1, Start: 10}, 2},
		{pg.Contact{System: 8, Timeline: 1, Start: 10}, 3},
	} {
		n.Connected(txn.Connection{Contact: step.contact})
		if looks != step.looks {
			t.Errorf("step %d: %d looks, want %d", i, looks, step.looks)
		}
	}
}
