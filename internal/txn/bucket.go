package txn

// BucketRows is the number of neighbouring ids that are summed together.
const BucketRows = 1 << 14

// Bucket sums what a worker's table holds, without payloads, in the rows of
// BucketRows neighbouring ids: those from Number*BucketRows on. Two servers, or
// a server and a replay, that agree on it hold the same rows there:
//
//	Rows     the number of rows
//	Place    the sum of places, where a row's place is its distance from the
//	         start of the bucket plus one
//	Sum      the sum of checksums, Placed the sum of checksum times place
//	Seq      the sum of seqs, PlacedSeq the sum of seq times place; a seq enters
//	         as its low 31 bits plus three times the rest
//
// A plain sum and one with the place as its weight leave no change of two rows
// unseen: neither a swap nor two changes that cancel each other. The sums of
// BucketRows rows fit 63 bits whatever seqs and checksums they have.
type Bucket struct {
	Number                                   int64
	Rows, Place, Sum, Placed, Seq, PlacedSeq int64
}

// BucketOf is the number of the bucket of an id; negative ids are in negative
// buckets.
func BucketOf(id RowID) int64 { return int64(id) >> 14 }

// First is the least id of a bucket.
func (b Bucket) First() RowID { return RowID(b.Number) << 14 }

// Add adds one row.
func (b *Bucket) Add(id RowID, seq Seq, sum Sum) {
	place := int64(id)&(BucketRows-1) + 1
	b.Rows++
	b.Place += place
	b.Sum += int64(sum)
	b.Placed += int64(sum) * place
	folded := int64(seq)&(1<<31-1) + 3*(int64(seq)>>31)
	b.Seq += folded
	b.PlacedSeq += folded * place
}
