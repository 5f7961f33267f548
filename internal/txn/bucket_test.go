package txn_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func sumOf(rows []txn.Row) txn.Bucket {
	var b txn.Bucket
	for _, r := range rows {
		b.Add(r.ID, r.Seq, r.Sum)
	}
	return b
}

// Any change of one row, and any swap of two rows' checksums, seqs or both,
// changes the sums; so do two changes that cancel each other in a plain sum or
// in an xor.
func TestBucketShowsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []txn.Row
		for _, place := range rapid.SliceOfNDistinct(rapid.IntRange(0, txn.BucketRows-1), 2, 20, rapid.ID).Draw(t, "places") {
			rows = append(rows, txn.Row{
				ID:  txn.RowID(5*txn.BucketRows + place),
				Seq: txn.Seq(rapid.Int64Range(1, 1<<40).Draw(t, "seq")), Sum: txn.Sum(rapid.Int32().Draw(t, "sum")),
			})
		}
		before := sumOf(rows)
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "one")
		j := (i + 1) % len(rows)
		a, b := rows[i], rows[j]
		kind := rapid.SampledFrom([]string{"swap sums", "swap seqs", "swap both", "sum", "xor", "cancel", "seq", "absent", "moved"}).Draw(t, "change")
		switch kind {
		case "swap sums":
			a.Sum, b.Sum = b.Sum, a.Sum
		case "swap seqs":
			a.Seq, b.Seq = b.Seq, a.Seq
		case "swap both":
			a.Sum, b.Sum, a.Seq, b.Seq = b.Sum, a.Sum, b.Seq, a.Seq
		case "sum":
			a.Sum ^= 1 << rapid.IntRange(0, 31).Draw(t, "bit")
		case "xor":
			flip := txn.Sum(1 << rapid.IntRange(0, 31).Draw(t, "bit"))
			a.Sum, b.Sum = a.Sum^flip, b.Sum^flip
		case "cancel":
			a.Sum, b.Sum = a.Sum+1, b.Sum-1
		case "seq":
			a.Seq += txn.Seq(rapid.Int64Range(1, 1<<20).Draw(t, "later"))
		case "absent":
			rows = append(rows[:i:i], rows[i+1:]...)
		case "moved":
			a.ID = b.ID ^ 1
		}
		if kind != "absent" {
			unchanged := a == rows[i] && b == rows[j]
			rows[i], rows[j] = a, b
			if unchanged {
				return
			}
		}
		if sumOf(rows) == before {
			t.Fatalf("%s of rows %d and %d is not seen", kind, i, j)
		}
	})
}

// No rows, however odd, overflow a sum: it would not be the same in SQL, where
// an overflow is an error.
func TestBucketDoesNotOverflow(t *testing.T) {
	for _, seq := range []txn.Seq{math.MaxInt64, math.MinInt64} {
		for _, sum := range []txn.Sum{math.MaxInt32, math.MinInt32} {
			var b txn.Bucket
			for id := range txn.RowID(txn.BucketRows) {
				last := b
				b.Add(id, seq, sum)
				if (b.Placed > last.Placed) != (sum > 0) || (b.PlacedSeq > last.PlacedSeq) != (seq > 0) {
					t.Fatalf("row %d overflows: %+v after %+v", id, b, last)
				}
			}
		}
	}
}

func TestBucketOf(t *testing.T) {
	for id, want := range map[txn.RowID]int64{-16385: -2, -16384: -1, -1: -1, 0: 0, 16383: 0, 16384: 1} {
		if got := txn.BucketOf(id); got != want {
			t.Errorf("row %d is in bucket %d, want %d", id, got, want)
		}
	}
	if got := (txn.Bucket{Number: -1}).First(); got != -txn.BucketRows {
		t.Errorf("bucket -1 starts at %d", got)
	}
}
