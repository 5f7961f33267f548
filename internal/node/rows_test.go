package node_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A server sums a table as Go sums its rows, whatever seqs and checksums are in
// it: full buckets of the greatest numbers too.
func TestBucketsAreSummedAsInGo(t *testing.T) {
	ctx := t.Context()
	conn := connect(t, database(t))
	run := nextRun()
	_, err := node.Init(ctx, conn, []txn.Worker{0, 1})
	check(t, err)
	exec(t, conn, "set search_path to pgrpo")
	insert := func(values, from string) {
		exec(t, conn, "insert into worker_0000 (id, seq, run, crc, payload) select i, "+values+", 'x' from "+from)
	}
	r := strconv.Itoa(int(run))
	insert("1 + i % 977, "+r+", hashint8(i)", "generate_series(1, 20000) i")
	insert("9223372036854775807, "+r+", 2147483647", "generate_series(32768, 49151) i")
	insert("-9223372036854775808, "+r+", -2147483648", "generate_series(49152, 65535) i")
	insert("2, "+r+", -5", "(values (-16385), (-16384), (-1), (0), (9223372036854775807), (-9223372036854775808)) v(i)")
	insert("7, "+strconv.Itoa(int(nextRun()))+", 1", "generate_series(1, 10) i")

	s, err := node.Begin(ctx, conn)
	check(t, err)
	defer s.Close()
	var want []txn.Bucket
	n := 0
	for row, err := range s.RowsIn(ctx, run, 0, math.MinInt64, math.MaxInt64) {
		check(t, err)
		if number := txn.BucketOf(row.ID); len(want) == 0 || want[len(want)-1].Number != number {
			want = append(want, txn.Bucket{Number: number})
		}
		want[len(want)-1].Add(row.ID, row.Seq, row.Sum)
		n++
	}
	got, err := s.Buckets(ctx, run, 0)
	check(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("buckets (-Go +SQL):\n%s", d)
	}
	if n != 20000+2*txn.BucketRows+6 || len(got) != 8 {
		t.Errorf("%d rows in %d buckets", n, len(got))
	}
	if none, err := s.Buckets(ctx, run, 1); err != nil || len(none) != 0 {
		t.Errorf("an empty table has the buckets %v, %v", none, err)
	}
	var ids []txn.RowID
	for c, err := range s.Contents(ctx, run, 0, -1, 2) {
		check(t, err)
		ids = append(ids, c.ID)
		if string(c.Payload) != "x" || c.Run != run {
			t.Errorf("content %+v", c)
		}
	}
	if d := cmp.Diff([]txn.RowID{-1, 0, 1, 2}, ids); d != "" {
		t.Errorf("contents from -1 to 2:\n%s", d)
	}
}
