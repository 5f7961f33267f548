package journal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Hole is damage: bytes From to To hold no undamaged frame though such frames
// follow, or a frame there does not fit the ones before it. What a journal with
// a hole says is true, but it does not say all.
type Hole struct {
	From, To int64
	Why      string
	// Missing are the seqs that are known to have had an entry here. Workers
	// that are not named may have lost entries and events as well, if nothing
	// of theirs follows.
	Missing []Range
}

// Range is a worker's seqs From to To, both included.
type Range struct {
	Worker   txn.Worker
	From, To txn.Seq
}

// String tells the hole in words.
func (h Hole) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bytes %d to %d: %s", h.From, h.To, h.Why)
	for _, m := range h.Missing {
		fmt.Fprintf(&b, "; worker %d: seqs %d to %d are missing", m.Worker, m.From, m.To)
	}
	return b.String()
}

// walk is one reading of a journal's frames.
type walk struct {
	scan   scanner
	driver txn.Driver
	at     int64
	holes  []Hole
	// last is each worker's last seq so far; whole means that reading began
	// with the first frame, so that a worker not in it has none.
	last  map[txn.Worker]txn.Seq
	whole bool
	// ended means that the closed record was read.
	ended bool
}

// next returns the next frame that can be believed; no body where the file ends
// or is torn.
func (w *walk) next() (Frame, error) {
	for w.at < w.scan.limit {
		k, payload, size, err := w.scan.frame(w.at)
		if err != nil {
			return Frame{}, err
		}
		if size == 0 {
			found, ok, err := w.scan.next(w.at + 1)
			if err != nil || !ok {
				return Frame{}, err
			}
			w.hole(w.at, found, "damaged")
			w.at = found
			continue
		}
		f := Frame{From: w.at, End: w.at + int64(size)}
		w.at = f.End
		if f.Body, err = decode(k, payload, w.driver); err == nil {
			err = w.fits(f)
		}
		if err == nil {
			return f, nil
		}
		w.hole(f.From, f.End, err.Error())
	}
	return Frame{}, nil
}

func (w *walk) hole(from, to int64, why string) {
	w.holes = append(w.holes, Hole{From: from, To: to, Why: why})
}

// fits checks a frame against those before it.
func (w *walk) fits(f Frame) error {
	if w.ended {
		return errors.New("a frame after the closed record")
	}
	switch body := f.Body.(type) {
	case Entries:
		last, known := w.last[body.Worker]
		if known = known || w.whole; known && body.First <= last {
			return fmt.Errorf("entries of worker %d from seq %d come after seq %d", body.Worker, body.First, last)
		}
		if known {
			w.missing(f, Range{body.Worker, last + 1, body.First - 1})
		}
		w.last[body.Worker] = body.Last()
	case Closed:
		for _, u := range body.Used {
			if last, known := w.last[u.Worker]; known || w.whole {
				w.missing(f, Range{u.Worker, last + 1, u.Used})
			}
		}
		w.ended = true
	}
	return nil
}

// missing books seqs that have no entry to the last hole before f: there they
// were, or they never had one.
func (w *walk) missing(f Frame, r Range) {
	if r.From > r.To {
		return
	}
	if len(w.holes) == 0 {
		w.hole(f.From, f.From, "seqs without an entry")
	}
	last := &w.holes[len(w.holes)-1]
	last.Missing = append(last.Missing, r)
}
