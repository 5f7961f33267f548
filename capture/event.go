package capture

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// EventKind says what happened.
type EventKind uint8

// The kinds of events. There is no zero kind.
const (
	// EventConnected is a stream that began.
	EventConnected EventKind = 1 + iota
	// EventDisconnected is a stream that ended, or could not begin.
	EventDisconnected
	// EventMoved is a stream that was left because the writers' server is
	// another one.
	EventMoved
	// EventSlotCreated is a slot that was made.
	EventSlotCreated
	// EventGap is a stretch of the log that was not heard.
	EventGap
	// EventTruncate is a TRUNCATE of a table of the run.
	EventTruncate
	// EventAlien is a transaction that changed rows of the run and left no
	// marker of it.
	EventAlien
	// EventMarker is a marker that was updated, deleted or written twice in
	// one transaction: nothing of ours does that.
	EventMarker
	// EventDisorder is a change that came before its transaction's marker.
	EventDisorder
	// EventSentinel is an end transaction.
	EventSentinel
	// EventPublication is a publication that lacks tables.
	EventPublication
	// EventStore is the repo that failed.
	EventStore
	// EventMismatch is a transaction that came again at its position with
	// another content than the one stored.
	EventMismatch
	// EventSlotDropped is a slot that was dropped because it held back too
	// much of the server's log.
	EventSlotDropped
)

// String is the kind's name in the repo.
func (k EventKind) String() string {
	names := [...]string{"unknown", "connected", "disconnected", "moved", "slot_created", "gap", "truncate", "alien",
		"marker", "disorder", "sentinel", "publication", "store", "mismatch", "slot_dropped"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Sentence says what an event of this kind is, for the log.
func (k EventKind) Sentence() string {
	switch k {
	case EventConnected:
		return "the stream begins"
	case EventDisconnected:
		return "the stream has ended, or could not begin"
	case EventMoved:
		return "the stream is left, as the writers have another server"
	case EventSlotCreated:
		return "the slot was made"
	case EventGap:
		return "a stretch of the log was not heard"
	case EventTruncate:
		return "a table of the run was truncated"
	case EventAlien:
		return "rows of the run were changed without a marker"
	case EventMarker:
		return "a marker was changed, or written twice"
	case EventDisorder:
		return "a change came before its transaction's marker"
	case EventSentinel:
		return "the end transaction has come"
	case EventPublication:
		return "the publication lacked tables"
	case EventStore:
		return "the repo failed"
	case EventMismatch:
		return "a transaction came again with another content"
	case EventSlotDropped:
		return "the slot was dropped, as it held back too much of the log"
	default:
		return "something happened to the stream"
	}
}

// Event is something that people should be able to read of later. It decides
// nothing.
type Event struct {
	Kind EventKind
	// Position is where it happened; zero where that has no meaning.
	Position pg.Position
	Xid      pg.Xid
	// Text says it in words.
	Text string
}

// Observer is told of events as they come, from the goroutine of [Capture.Run];
// it must not block.
type Observer interface {
	Event(Event)
}
