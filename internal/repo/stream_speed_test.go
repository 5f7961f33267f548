package repo_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A million attempts of one worker, read back.
func BenchmarkEntries(b *testing.B) {
	const attempts = 1 << 20
	r, _ := fresh(b)
	var bodies []journal.Body
	for first := txn.Seq(1); first < attempts; first += 1024 {
		bodies = append(bodies, journal.Entries{Worker: 0, First: first, Raw: make([]byte, 1024*txn.EntryBytes)})
	}
	must(b, r.Ship(b.Context(), repo.Shipment{Header: header(run, 1), Source: sliced(bodies), Part: time.Hour}))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for block, err := range r.Entries(b.Context(), run, 0) {
			must(b, err)
			n += block.Len()
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "attempts/s")
}

// Two hundred thousand commits of one worker, read back.
func BenchmarkCommits(b *testing.B) {
	const commits = 200_000
	r, name := fresh(b)
	change(b, name, fmt.Sprintf(`insert into pgrpo.commit (seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch, slot)
		select i, '0/0'::pg_lsn + i * 100, '0/0'::pg_lsn + i * 100 + 8, now(), %d, 0, '7', 1, 1, 1, 1, 1, 1 from generate_series(1, %d) i`, run, commits))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, err := range r.Commits(b.Context(), run, 0) {
			must(b, err)
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "commits/s")
}
