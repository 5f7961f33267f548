package run

import (
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A server is asked for what its own process acked; a restarted one for what
// the last process of its log acked, since that may have lost what others had
// acked before.
func TestMarkerToLookFor(t *testing.T) {
	by := func(start pg.ProcessStart) txn.Connection {
		return txn.Connection{Contact: pg.Contact{System: 7, Timeline: 2, Start: start}}
	}
	began := time.Unix(100, 0)
	acks := lastAck{}
	acks.take(txn.ID{Seq: 3}, 90, by(10), began)
	acks.take(txn.ID{Seq: 4}, 95, by(10), began.Add(time.Second))
	acks.take(txn.ID{Seq: 9}, 70, by(11), began.Add(3*time.Second))
	acks.take(txn.ID{Seq: 8}, 60, by(11), began.Add(2*time.Second))
	for start, want := range map[pg.ProcessStart]txn.Seq{10: 4, 11: 9, 12: 9} {
		if id, _ := acks.on(node.Identity{Connection: by(start)}); id.Seq != want {
			t.Errorf("process %d is asked for seq %d, want %d", start, id.Seq, want)
		}
	}
	other := by(10)
	other.Timeline = 1
	if _, lsn := acks.on(node.Identity{Connection: other}); lsn != 0 {
		t.Errorf("a log of another name is asked for something at %v", lsn)
	}
}
