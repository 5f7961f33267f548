package source

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const testRun = txn.Run(1795194121)

// memory is evidence in memory. It counts how often each stream is read.
type memory struct {
	entries  map[txn.Worker][]txn.Entry
	markers  map[txn.Worker][]txn.Marker
	commits  map[txn.Worker][]txn.Commit
	contents map[txn.Worker][]txn.Content
	// broken are the streams that end with an error after their elements.
	broken map[stream]bool
	reads  map[stream]int
}

func give[T any](m *memory, s stream, all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		m.reads[s]++
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if m.broken[s] {
			var none T
			yield(none, fmt.Errorf("read %s of worker %d: %w", s.kind, s.worker, errors.New("the server went away")))
		}
	}
}

func (m *memory) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return give(m, stream{entries, w}, m.entries[w])
}

func (m *memory) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	return give(m, stream{markers, w}, m.markers[w])
}

func (m *memory) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return give(m, stream{commits, w}, m.commits[w])
}

func (m *memory) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return m.between(stream{contents, w}, first, last)
}

func (m *memory) between(s stream, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	var all []txn.Content
	for _, c := range m.contents[s.worker] {
		if first <= c.ID && c.ID <= last {
			all = append(all, c)
		}
	}
	return give(m, s, all)
}

func (m *memory) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		for c, err := range m.between(stream{rows, w}, first, last) {
			if !yield(c.Row, err) {
				return
			}
		}
	}
}

// Buckets sums with a map, by another way than the package's.
func (m *memory) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	sums := map[int64]*txn.Bucket{}
	var order []int64
	for _, c := range m.contents[w] {
		n := txn.BucketOf(c.ID)
		if sums[n] == nil {
			sums[n], order = &txn.Bucket{Number: n}, append(order, n)
		}
		sums[n].Add(c.ID, c.Seq, c.Sum)
	}
	var all []txn.Bucket
	for _, n := range order {
		all = append(all, *sums[n])
	}
	return all, nil
}

// newMemory is a run of two workers and an end transaction, of which worker 0
// lost its last attempt, and a third worker has rows alone.
func newMemory() (*memory, compare.Facts) {
	m := &memory{
		entries: map[txn.Worker][]txn.Entry{}, markers: map[txn.Worker][]txn.Marker{}, commits: map[txn.Worker][]txn.Commit{},
		contents: map[txn.Worker][]txn.Content{}, broken: map[stream]bool{}, reads: map[stream]int{},
	}
	begun := time.Date(2026, 11, 20, 17, 2, 1, 123456789, time.FixedZone("", 3600))
	f := compare.Facts{
		Drivers: []compare.Driver{{ID: 4, Started: begun, Closed: true, Connections: []txn.Connection{
			{Contact: pg.Contact{Observer: 4, Number: 1, System: 1<<64 - 1, Timeline: 1, Start: 100}, Address: "127.0.0.1:5432"},
		}}},
		Branches: pg.Branches{{ID: 1, System: 1<<64 - 1, Timeline: 1, HasHistory: true}},
		BranchOf: func(_ txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(c) },
		Survivor: compare.Survivor{Branch: 1, Name: "127.0.0.1:5432", Proven: true},
		Reserves: []txn.Reserve{
			{Worker: 0, Driver: 4, Upto: 1024, Used: 3, Closed: true}, {Worker: 1, Driver: 4, Upto: 1024, Used: 3, Closed: true},
		},
		MarkerWorkers: []txn.Worker{-1, 0, 1}, CommitWorkers: []txn.Worker{0}, TableWorkers: []txn.Worker{0, 1, 7},
	}
	for _, w := range []txn.Worker{0, 1, 7, -1} {
		for i := range 3 {
			id := txn.ID{Run: testRun, Worker: w, Seq: txn.Seq(i + 1)}
			m.entries[w] = append(m.entries[w], txn.Entry{
				LSN: pg.LSN(0x100 * i), Sent: time.Duration(i), Took: time.Millisecond, Xid: pg.Xid(700 + i), Conn: txn.Conn(i + 1),
				Outcome: txn.Acked, Phase: txn.Answered,
			})
			m.markers[w] = append(m.markers[w], txn.Marker{ID: id, Ops: 2, Sum: txn.Sum(-i)})
			m.commits[w] = append(m.commits[w], txn.Commit{
				ID: id, Branch: 1, LSN: pg.LSN(1<<60 + i), End: 1 << 61, CommittedAt: begun.UTC(), Xid: 1<<32 - 1, Ops: 2, Sum: -1, Seen: 2, SeenSum: 1,
			})
		}
		for _, row := range []txn.RowID{-3, 1, 2, txn.BucketRows, 5*txn.BucketRows - 1, 5 * txn.BucketRows} {
			m.contents[w] = append(m.contents[w], txn.Content{
				Row:     txn.Row{Run: testRun, ID: row, Seq: txn.Seq(row & 3), Sum: txn.Sum(row*7 - 3)},
				Payload: []byte(fmt.Sprintf("%*s", int(row&63), "x")),
			})
		}
	}
	m.markers[0] = m.markers[0][:2]
	return m, f
}

func testCase(p compare.Payload) compare.Case {
	return compare.Case{Run: testRun, Seed: 1<<64 - 1, Mix: plan.Mix{Insert: 100, MaxOps: 2, PayloadBytes: 10}, Payload: p}
}

// readAll is what a judge may read of a stream, with the error at its end as
// text.
func readAll[T any](all iter.Seq2[T, error]) (got []T, broken string) {
	for v, err := range all {
		if err != nil {
			return got, err.Error()
		}
		got = append(got, v)
	}
	return got, ""
}

// keptIn keeps evidence without a judge and returns the directory.
func keptIn(t *testing.T, c compare.Case, f compare.Facts, from compare.Streams) string {
	t.Helper()
	dir := t.TempDir() + "/evidence"
	tee := NewTee(dir, "v0", c, f, from)
	tee.Find(map[string]int{"n": 1})
	tee.Find(map[string]int{"n": 2})
	if err := tee.Keep("told"); err != nil {
		t.Fatal(err)
	}
	return dir
}
