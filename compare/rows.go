package compare

import (
	"fmt"
	"iter"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Payload says how far the content of the surviving rows is read. Its zero value
// reads the least.
type Payload uint8

// The ways to read content.
const (
	// PayloadSums compares keys, seqs and checksums, and no payload.
	PayloadSums Payload = iota
	// PayloadFull reads every row's payload and makes it again, and holds each
	// marker's checksum against what its attempt was to write.
	PayloadFull
)

// rowBook is what the walk over a worker's attempts leaves for the walk over its
// rows.
type rowBook struct {
	book
	// ended is the last seq that has an entry.
	ended txn.Seq
	// present are the seqs that the account covers whose marker is there.
	present seqSet
	// later says that a marker past the last entry is there: what its attempt
	// did to the rows is not known.
	later bool
}

// covers tells whether the account covers a seq.
func (b *rowBook) covers(seq txn.Seq) bool { return seq >= 1 && seq <= max(b.last, b.ended) }

// note keeps whether the marker of the attempt in sight is there.
func (b *rowBook) note(s *sight) {
	if s.marker != pg.Present {
		return
	}
	if b.covers(s.id.Seq) {
		b.present.add(s.id.Seq)
	}
	if s.id.Seq > b.ended && (b.covers(s.id.Seq) || !b.whole) {
		b.later = true
	}
}

// marker tells what the look for an attempt's marker showed.
func (j *judge) marker(b *rowBook, seq txn.Seq) pg.Presence {
	if b.present.has(seq) {
		return pg.Present
	}
	if _, open := j.facts.Unresolved[txn.ID{Run: j.c.Run, Worker: b.worker, Seq: seq}]; open {
		return pg.NotLooked
	}
	return pg.Absent
}

// end ends a replay where the entries end.
func (b *rowBook) end(r *plan.Replay) {
	if b.later {
		r.EndUnheard()
		return
	}
	r.End()
}

// rowsComparable tells whether there is a survivor whose rows can be read.
func (j *judge) rowsComparable() bool {
	return j.facts.Survivor.Proven && !j.facts.Survivor.TablesAbsent && j.facts.TableWorkers != nil
}

// hasTable tells whether the survivor has the worker's table.
func (j *judge) hasTable(w txn.Worker) bool { return slices.Contains(j.facts.TableWorkers, w) }

// tallyOf begins the tally of a worker.
func (j *judge) tallyOf(s Streams, w txn.Worker) (*tally, error) {
	if !j.hasTable(w) || j.c.Payload == PayloadFull {
		return &tally{}, nil
	}
	there, err := s.Buckets(w)
	if err != nil {
		return nil, fmt.Errorf("sum the rows of worker %d: %w", w, err)
	}
	for i := 1; i < len(there); i++ {
		if there[i].Number <= there[i-1].Number {
			return nil, fmt.Errorf("sum the rows of worker %d: bucket %d comes after %d", w, there[i].Number, there[i-1].Number)
		}
	}
	return &tally{there: there}, nil
}

// settle takes the rows that are settled from the replay, and adds them to the
// tally where there are sums to compare.
func (j *judge) settle(t *tally, r *plan.Replay, w txn.Worker) {
	for e, ok := r.Pop(); ok; e, ok = r.Pop() {
		if t == nil || j.c.Payload == PayloadFull {
			continue
		}
		var sum txn.Sum
		if e.Certain() && e.Last.There() {
			sum, _ = j.content(w, e.ID, e.Last)
		}
		t.add(&e, sum)
	}
}

// content makes again what an attempt wrote into a row. The payload is valid
// until the next call.
func (j *judge) content(w txn.Worker, id txn.RowID, v plan.Version) (txn.Sum, []byte) {
	by := txn.ID{Run: j.c.Run, Worker: w, Seq: v.Seq}
	j.payload = txn.AppendPayload(j.payload[:0], j.c.Seed, by, id, j.c.Mix.PayloadBytes)
	return txn.SumOf(by, id, v.Kind, j.payload), j.payload
}

// compareRows compares the rows of a worker with an account: by sums where they
// are enough, and row by row where they differ, or where every payload is to be
// read.
func (j *judge) compareRows(s Streams, b *rowBook, t *tally) error {
	spans := []span{everyID}
	if j.c.Payload != PayloadFull {
		spans = t.end()
	}
	if len(spans) == 0 {
		return nil
	}
	w := &rowWalk{judge: j, book: b, spans: spans, all: spans}
	next, stop := iter.Pull2(w.stream(s))
	defer stop()
	w.next = next
	return w.walk(s)
}

// strangeRows finds the rows in tables of workers that have no account.
func (j *judge) strangeRows(s Streams) error {
	for _, worker := range j.facts.TableWorkers {
		if _, known := j.books[worker]; known {
			continue
		}
		t, err := j.tallyOf(s, worker)
		if err != nil {
			return err
		}
		if err := j.compareRows(s, &rowBook{book: book{worker: worker}}, t); err != nil {
			return err
		}
	}
	return nil
}
