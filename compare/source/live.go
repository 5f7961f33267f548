package source

import (
	"context"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Live reads the evidence of one run while repo and survivor are there.
type Live struct {
	// Context bounds all reading; the judge knows none.
	Context context.Context
	Repo    *repo.Repo
	Run     txn.Run
	// Upto is the last seq of each worker's ledger that is evidence: what
	// was stored later may be of a time after the survivor was read.
	Upto map[txn.Worker]txn.Seq
	// Survivor is nil where no survivor is proven; there are no markers then.
	Survivor *node.Snapshot
	// sums are by worker, where they were made beforehand.
	sums map[txn.Worker][]txn.Bucket
}

var _ compare.Streams = (*Live)(nil)

// Entries gives the worker's ledger from seq 1 on. A ledger that does not begin
// there, or has a hole, is an error. It ends with the last seq that is evidence.
func (l *Live) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		next := txn.Seq(1)
		for block, err := range l.Repo.Entries(l.Context, l.Run, w) {
			if err == nil && next > l.Upto[w] {
				return
			}
			if err == nil && block.First != next {
				err = fmt.Errorf("read ledger of worker %d: seq %d follows %d", w, block.First, next-1)
			}
			if err != nil {
				yield(txn.Entry{}, err)
				return
			}
			for raw := block.Raw; len(raw) > 0; raw = raw[txn.EntryBytes:] {
				if next > l.Upto[w] {
					return
				}
				var e txn.Entry
				if err := e.Decode(raw); err != nil {
					yield(txn.Entry{}, fmt.Errorf("read ledger of worker %d at seq %d: %w", w, next, err))
					return
				}
				if !yield(e, nil) {
					return
				}
				next++
			}
		}
	}
}

// Markers gives the worker's markers on the survivor by ascending seq.
func (l *Live) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	if l.Survivor == nil {
		return func(func(txn.Marker, error) bool) {}
	}
	return l.Survivor.Markers(l.Context, l.Run, w)
}

// Commits gives the worker's captured commits by ascending seq and position.
func (l *Live) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return l.Repo.Commits(l.Context, l.Run, w)
}
