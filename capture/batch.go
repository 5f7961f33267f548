package capture

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// The sizes that a batch counts its content with: those of the rows in the
// repo, about.
const (
	commitBytes = 125
	changeBytes = 77
)

// Batch is what goes to the repo in one transaction. It is made once and used
// again after Reset.
type Batch struct {
	Commits []txn.Commit
	Changes []txn.Change
	// Resent are transactions that were stored before, to be compared with
	// what is stored.
	Resent []txn.Commit
	// End is the end of the last transaction heard to its end; 0 if none was.
	// It counts transactions of which nothing is stored, too.
	End pg.LSN
	// FollowedTo is the position up to which the server said that it had sent
	// everything; 0 if it did not say.
	FollowedTo pg.LSN
	// Open names the transaction whose last changes are not in this batch.
	Open *repo.Part
	// Duplicates counts transactions that were stored before, BeforeCapture
	// those below the run's first consistent point, and Alien those that
	// changed rows of the run without a marker of it.
	Duplicates, BeforeCapture, Alien int64
	// Mismatches counts those of Resent that have another content than what
	// is stored; the saver fills it.
	Mismatches int64
	// Sentinels are the end transactions heard.
	Sentinels []Arrival
	// Events are what else came that should not pass in silence.
	Events []Event
	// Bytes is about what the rows take in the repo.
	Bytes int

	raw []byte
	// filled are the gaps that shrink once the batch is stored.
	filled []Shrink
	// since is when the first content came, newest the time of the last
	// commit by the server's clock.
	since, newest time.Time
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{
		Commits: b.Commits[:0], Changes: b.Changes[:0], Resent: b.Resent[:0], Sentinels: b.Sentinels[:0], Events: b.Events[:0], raw: b.raw[:0],
	}
}

// HasRows tells whether there is anything to store but the position.
func (b *Batch) HasRows() bool { return len(b.Commits) > 0 || len(b.Changes) > 0 }

// Moves tells whether storing the batch would move the position.
func (b *Batch) Moves() bool { return b.End != 0 || b.FollowedTo != 0 }

// keep copies a payload into the batch's own memory.
func (b *Batch) keep(payload []byte) []byte {
	at := len(b.raw)
	b.raw = append(b.raw, payload...)
	b.Bytes += len(payload)
	return b.raw[at:len(b.raw):len(b.raw)]
}
