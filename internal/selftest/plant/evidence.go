package plant

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// mostAttempts bounds the run that is held in memory.
const mostAttempts = 200_000

// Evidence is all that a judge is given of one run, in memory.
type Evidence struct {
	Case  compare.Case
	Facts compare.Facts
	// Nodes are what the nodes said of themselves.
	Nodes   []compare.NodeFacts
	Ledgers map[txn.Worker][]txn.Entry
	Marks   map[txn.Worker]map[txn.Seq]txn.Marker
	Stream  map[txn.Worker][]txn.Commit
	Tables  map[txn.Worker]map[txn.RowID]txn.Content
	// Broken is what ends a worker's ledger after its entries, if anything.
	Broken map[txn.Worker]error
}

var _ compare.Streams = (*Evidence)(nil)

// Read reads the evidence of a run into memory. A run of more than 200 000
// attempts is refused.
func Read(c compare.Case, f compare.Facts, nodes []compare.NodeFacts, s compare.Streams) (*Evidence, error) {
	e := &Evidence{
		Case: c, Facts: f, Nodes: nodes,
		Ledgers: map[txn.Worker][]txn.Entry{}, Marks: map[txn.Worker]map[txn.Seq]txn.Marker{},
		Stream: map[txn.Worker][]txn.Commit{}, Tables: map[txn.Worker]map[txn.RowID]txn.Content{},
		Broken: map[txn.Worker]error{},
	}
	attempts := 0
	for _, r := range f.Reserves {
		for entry, err := range s.Entries(r.Worker) {
			if err != nil {
				return nil, fmt.Errorf("read the ledger of worker %d: %w", r.Worker, err)
			}
			if attempts++; attempts > mostAttempts {
				return nil, fmt.Errorf("read the ledger of worker %d: the run has more than %d attempts", r.Worker, mostAttempts)
			}
			e.Ledgers[r.Worker] = append(e.Ledgers[r.Worker], entry)
		}
	}
	for _, w := range f.MarkerWorkers {
		e.Marks[w] = map[txn.Seq]txn.Marker{}
		for m, err := range s.Markers(w) {
			if err != nil {
				return nil, fmt.Errorf("read the markers of worker %d: %w", w, err)
			}
			e.Marks[w][m.Seq] = m
		}
	}
	for _, w := range f.CommitWorkers {
		for c, err := range s.Commits(w) {
			if err != nil {
				return nil, fmt.Errorf("read the commits of worker %d: %w", w, err)
			}
			e.Stream[w] = append(e.Stream[w], c)
		}
	}
	for _, w := range f.TableWorkers {
		e.Tables[w] = map[txn.RowID]txn.Content{}
		for c, err := range s.Contents(w, -1<<63, 1<<63-1) {
			if err != nil {
				return nil, fmt.Errorf("read the rows of worker %d: %w", w, err)
			}
			c.Payload = slices.Clone(c.Payload)
			e.Tables[w][c.ID] = c
		}
	}
	return e, nil
}

// clone copies all that a planter may alter. Payloads are shared: they are
// replaced, never written to.
func (e *Evidence) clone() *Evidence {
	f := e.Facts
	f.Drivers, f.Reserves = slices.Clone(f.Drivers), slices.Clone(f.Reserves)
	f.Branches, f.Unresolved = slices.Clone(f.Branches), maps.Clone(f.Unresolved)
	f.SentinelKept, f.Problems = slices.Clone(f.SentinelKept), slices.Clone(f.Problems)
	f.MarkerWorkers, f.CommitWorkers = slices.Clone(f.MarkerWorkers), slices.Clone(f.CommitWorkers)
	f.TableWorkers = slices.Clone(f.TableWorkers)
	c := &Evidence{
		Case: e.Case, Facts: f, Nodes: slices.Clone(e.Nodes),
		Ledgers: make(map[txn.Worker][]txn.Entry), Marks: make(map[txn.Worker]map[txn.Seq]txn.Marker),
		Stream: make(map[txn.Worker][]txn.Commit), Tables: make(map[txn.Worker]map[txn.RowID]txn.Content),
		Broken: maps.Clone(e.Broken),
	}
	for w, entries := range e.Ledgers {
		c.Ledgers[w] = slices.Clone(entries)
	}
	for w, marks := range e.Marks {
		c.Marks[w] = maps.Clone(marks)
	}
	for w, commits := range e.Stream {
		c.Stream[w] = slices.Clone(commits)
	}
	for w, rows := range e.Tables {
		c.Tables[w] = maps.Clone(rows)
	}
	return c
}

// Entries gives the worker's ledger from seq 1 on.
func (e *Evidence) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		for _, entry := range e.Ledgers[w] {
			if !yield(entry, nil) {
				return
			}
		}
		if err := e.Broken[w]; err != nil {
			yield(txn.Entry{}, err)
		}
	}
}

// Markers gives the worker's markers on the survivor by ascending seq; none
// where no survivor is proven.
func (e *Evidence) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	return func(yield func(txn.Marker, error) bool) {
		if !e.Facts.Survivor.Proven {
			return
		}
		for _, seq := range slices.Sorted(maps.Keys(e.Marks[w])) {
			if !yield(e.Marks[w][seq], nil) {
				return
			}
		}
	}
}

// Commits gives the worker's captured commits by ascending seq and position.
func (e *Evidence) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return func(yield func(txn.Commit, error) bool) {
		for _, c := range slices.SortedStableFunc(slices.Values(e.Stream[w]), byPlace) {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func byPlace(a, b txn.Commit) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.LSN, b.LSN))
}

// Buckets sums the worker's surviving rows.
func (e *Evidence) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	sums := map[int64]*txn.Bucket{}
	for id, c := range e.Tables[w] {
		n := txn.BucketOf(id)
		if sums[n] == nil {
			sums[n] = &txn.Bucket{Number: n}
		}
		sums[n].Add(id, c.Seq, c.Sum)
	}
	all := make([]txn.Bucket, 0, len(sums))
	for _, n := range slices.Sorted(maps.Keys(sums)) {
		all = append(all, *sums[n])
	}
	return all, nil
}

// Rows gives the worker's surviving rows with ids from first to last.
func (e *Evidence) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		for c, err := range e.Contents(w, first, last) {
			if !yield(c.Row, err) {
				return
			}
		}
	}
}

// Contents gives them with their payload.
func (e *Evidence) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return func(yield func(txn.Content, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(e.Tables[w])) {
			if id >= first && id <= last && !yield(e.Tables[w][id], nil) {
				return
			}
		}
	}
}
