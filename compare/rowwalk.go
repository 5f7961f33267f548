package compare

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// rowWalk is the walk over one worker's expected and surviving rows by id, in
// the stretches that have to be looked at.
type rowWalk struct {
	*judge
	book *rowBook
	// all are the stretches, spans those that no expected row has passed.
	all, spans []span
	replay     *plan.Replay
	next       func() (txn.Content, error, bool)
	// head is the survivor's row under the cursor, where ok.
	head txn.Content
	ok   bool
}

// stream reads the survivor's rows of all stretches.
func (w *rowWalk) stream(s Streams) iter.Seq2[txn.Content, error] {
	return func(yield func(txn.Content, error) bool) {
		if !w.hasTable(w.book.worker) {
			return
		}
		for _, at := range w.all {
			if w.c.Payload == PayloadFull {
				for c, err := range s.Contents(w.book.worker, at.first, at.last) {
					if !yield(c, err) {
						return
					}
				}
				continue
			}
			for r, err := range s.Rows(w.book.worker, at.first, at.last) {
				if !yield(txn.Content{Row: r}, err) {
					return
				}
			}
		}
	}
}

// advance moves to the survivor's next row.
func (w *rowWalk) advance() error {
	past, began := w.head.ID, w.ok
	c, err, ok := w.next()
	if !ok {
		w.ok = false
		return nil
	}
	if err != nil {
		return fmt.Errorf("read rows of worker %d: %w", w.book.worker, err)
	}
	if c.Run != w.c.Run || began && c.ID < past {
		return fmt.Errorf("read rows of worker %d: row %d of run %d comes after row %d", w.book.worker, c.ID, c.Run, past)
	}
	w.head, w.ok = c, true
	return nil
}

// walk replays the ledger once more, with the markers as they were seen, beside
// the rows.
func (w *rowWalk) walk(s Streams) error {
	if err := w.advance(); err != nil {
		return err
	}
	// The plan has no ids below 1; the end transactions' rows have no others.
	last := w.all[len(w.all)-1].last
	if w.book.known && last >= 1 {
		w.replay = plan.NewReplay(w.c.Mix, w.c.Seed, w.c.Run, w.book.worker)
		for e, err := range s.Entries(w.book.worker) {
			if err != nil {
				return fmt.Errorf("read the ledger of worker %d: %w", w.book.worker, err)
			}
			a := w.replay.Next()
			w.replay.Settle(e, w.marker(w.book, a.Seq))
			if err := w.meetSettled(); err != nil {
				return err
			}
			if w.replay.Settled() > last {
				break
			}
		}
		w.book.end(w.replay)
		if err := w.meetSettled(); err != nil {
			return err
		}
	}
	for w.ok {
		if err := w.pass(nil); err != nil {
			return err
		}
	}
	return nil
}

// meetSettled sets the expected rows that are settled beside the survivor's.
func (w *rowWalk) meetSettled() error {
	for e, ok := w.replay.Pop(); ok; e, ok = w.replay.Pop() {
		for len(w.spans) > 0 && w.spans[0].last < e.ID {
			w.spans = w.spans[1:]
		}
		if len(w.spans) == 0 || e.ID < w.spans[0].first {
			continue
		}
		for w.ok && w.head.ID < e.ID {
			if err := w.pass(nil); err != nil {
				return err
			}
		}
		var err error
		if w.ok && w.head.ID == e.ID {
			err = w.pass(&e)
		} else {
			err = w.absent(&e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pass judges the row under the cursor and moves on.
func (w *rowWalk) pass(e *plan.Expected) error {
	if err := w.row(&w.head, e); err != nil {
		return err
	}
	return w.advance()
}

// absent judges an expected row that is not there.
func (w *rowWalk) absent(e *plan.Expected) error {
	if !e.Last.There() || e.Vague || e.Open.Kind == txn.Delete {
		return nil
	}
	return w.broken(MissingRow, e.ID, e.Last.Seq, fmt.Sprintf("row %d, its last %s, is absent", e.ID, e.Last.Kind))
}

// row judges a row that is there. Nil is expected where no attempt that may have
// been committed ever wrote it.
func (w *rowWalk) row(r *txn.Content, e *plan.Expected) error {
	switch {
	case r.ID < 0:
		if w.announced[txn.Seq(-r.ID)] && r.Seq == txn.Seq(-r.ID) {
			return nil
		}
		return w.alien(r, "a row of an end transaction that was not announced")
	case e != nil && e.Last.There() && e.Last.Seq == r.Seq:
		return w.written(r, e.Last.Kind)
	case e != nil && e.Open.There() && e.Open.Seq == r.Seq:
		return w.written(r, e.Open.Kind)
	case !w.book.known || !w.book.covers(r.Seq):
		return w.alien(r, "its attempt was never sent")
	}
	switch w.marker(w.book, r.Seq) {
	case pg.NotLooked:
		if e != nil && e.Vague && e.Open.Seq != 0 {
			return nil // it may be one of several that are open
		}
		return w.foreign(r)
	case pg.Absent:
		return w.broken(TornTransaction, r.ID, r.Seq, fmt.Sprintf("row %d is there and the marker is not", r.ID))
	}
	return w.version(r, e)
}

// version judges a row of another version than the expected one, whose attempt
// was committed. What an attempt did of which there is no entry is not known: it
// may have changed a row that the plan could still change, or made a new one.
func (w *rowWalk) version(r *txn.Content, e *plan.Expected) error {
	switch {
	case r.Seq > w.book.ended && e == nil && r.ID >= w.replay.Planned():
		return w.written(r, txn.Insert, txn.Update)
	case r.Seq > w.book.ended && e != nil && e.Vague:
		return w.written(r, txn.Update)
	case e == nil || r.Seq > w.book.ended || r.Seq >= e.Last.Seq:
		return w.foreign(r)
	case e.Last.Kind == txn.Delete:
		return w.broken(ResurrectedRow, r.ID, e.Last.Seq, fmt.Sprintf("row %d, deleted by it, is back as seq %d wrote it", r.ID, r.Seq))
	default:
		return w.broken(StaleRow, r.ID, e.Last.Seq, fmt.Sprintf("row %d shows an older version, of seq %d", r.ID, r.Seq))
	}
}

// foreign reports a row that its attempt did not write.
func (w *rowWalk) foreign(r *txn.Content) error {
	return w.broken(AlienRow, r.ID, r.Seq, fmt.Sprintf("this attempt did not write row %d", r.ID))
}

// written judges the content of a row whose seq is right. It must be what the
// attempt wrote there by an operation of one of the kinds.
func (w *rowWalk) written(r *txn.Content, kinds ...txn.Kind) error {
	for _, kind := range kinds {
		sum, payload := w.content(w.book.worker, r.ID, plan.Version{Seq: r.Seq, Kind: kind})
		if sum == r.Sum && (w.c.Payload != PayloadFull || bytes.Equal(payload, r.Payload)) {
			return nil
		}
	}
	return w.broken(CorruptRow, r.ID, r.Seq, fmt.Sprintf("row %d has other content than this attempt wrote", r.ID))
}

// alien judges a row that no account can know: where an account is missing it
// may be of that.
func (w *rowWalk) alien(r *txn.Content, why string) error {
	if r.ID >= 1 && r.Seq >= 1 && !w.book.whole && !w.allWhole || r.ID < 0 && !w.allWhole {
		w.res.UnattributedRows++
		return nil
	}
	return w.broken(AlienRow, r.ID, r.Seq, fmt.Sprintf("row %d: %s", r.ID, why))
}

// broken reports a finding of one row.
func (w *rowWalk) broken(class Class, row txn.RowID, seq txn.Seq, text string) error {
	return w.report(Finding{
		Class: class, ID: txn.ID{Run: w.c.Run, Worker: w.book.worker, Seq: seq}, Row: row, Text: text,
	})
}
