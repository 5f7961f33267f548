package node_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// However many buckets there are, and however far apart, each row is in one sum.
func TestBucketsAreAllSummed(t *testing.T) {
	ctx := t.Context()
	conn := connect(t, database(t))
	run := nextRun()
	_, err := node.Init(ctx, conn, []txn.Worker{0})
	check(t, err)
	for _, ids := range []string{
		"16384::bigint * i from generate_series(-100, 400) i",
		"16384::bigint * i - 1 from generate_series(-100, 400) i",
		"(1::bigint << 40) + 16384::bigint * 7 * i from generate_series(0, 100) i",
		"9223372036854775807 - 16384::bigint * i from generate_series(0, 70) i",
		"-9223372036854775808 + 16384::bigint * i from generate_series(0, 70) i",
	} {
		exec(t, conn, fmt.Sprintf("insert into pgrpo.worker_0000 (seq, run, crc, payload, id) select i, %d, i, '', %s", run, ids))
	}
	s, err := node.Begin(ctx, conn)
	check(t, err)
	defer s.Close()
	var want []txn.Bucket
	for row, err := range s.RowsIn(ctx, run, 0, math.MinInt64, math.MaxInt64) {
		check(t, err)
		if number := txn.BucketOf(row.ID); len(want) == 0 || want[len(want)-1].Number != number {
			want = append(want, txn.Bucket{Number: number})
		}
		want[len(want)-1].Add(row.ID, row.Seq, row.Sum)
	}
	got, err := s.Buckets(ctx, run, 0)
	check(t, err)
	if d := cmp.Diff(want, got); d != "" || len(got) < 700 {
		t.Errorf("%d buckets (-Go +SQL):\n%s", len(got), d)
	}
}

// A server that no longer answers ends the summing with an error.
func TestFrozenServerEndsSums(t *testing.T) {
	t.Parallel()
	run := nextRun()
	dsn := paged(t, run)
	link, err := relay.Listen(t.Context(), shared.Addr())
	check(t, err)
	defer link.Close()
	through, err := url.Parse(dsn)
	check(t, err)
	through.Host = link.Addr()
	s, err := node.Begin(t.Context(), connect(t, through.String()))
	check(t, err)
	s.SetWait(5 * time.Second)
	link.Freeze()
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(30*time.Second, cancel).Stop()
	if _, err := s.Buckets(ctx, run, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("summed on a frozen server: %v", err)
	}
}

// Two million rows, a quarter of them updated.
func BenchmarkBuckets(b *testing.B) {
	const rows = 2_000_000
	conn := connect(b, database(b))
	run := nextRun()
	_, err := node.Init(b.Context(), conn, []txn.Worker{0})
	check(b, err)
	exec(b, conn, fmt.Sprintf("insert into pgrpo.worker_0000 (id, seq, run, crc, payload) select i, i, %d, i, repeat('x', 100) from generate_series(1, %d) i", run, rows))
	exec(b, conn, "update pgrpo.worker_0000 set seq = seq + 1 where hashint8(id) % 4 = 0")
	s, err := node.Begin(b.Context(), conn)
	check(b, err)
	defer s.Close()
	for b.Loop() {
		got, err := s.Buckets(b.Context(), run, 0)
		check(b, err)
		if len(got) != rows/txn.BucketRows+1 {
			b.Fatalf("%d buckets", len(got))
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
