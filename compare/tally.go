package compare

import (
	"math"

	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// span is a stretch of ids, both ends included.
type span struct{ first, last txn.RowID }

// everyID is the stretch of all ids that a table can hold.
var everyID = span{math.MinInt64, math.MaxInt64}

// tally sets the sums of a worker's expected rows beside the survivor's, bucket
// by bucket, and keeps the stretches of ids that have to be looked at row by
// row. Rows come in the order of their ids, so that one bucket is open at a
// time.
type tally struct {
	// there are the survivor's buckets that were not met yet.
	there []txn.Bucket
	open  txn.Bucket
	// vague says that the open bucket may rightly have several sums.
	vague bool
	spans []span
}

// add adds one expected row, with the checksum of its content; of a row that is
// not certain the sums say nothing.
func (t *tally) add(e *plan.Expected, sum txn.Sum) {
	if number := txn.BucketOf(e.ID); number != t.open.Number {
		t.close()
		t.open.Number = number
	}
	switch {
	case !e.Certain():
		t.vague = true
	case e.Last.There():
		t.open.Add(e.ID, e.Last.Seq, sum)
	}
}

// close compares the open bucket, and those that the survivor has before it.
func (t *tally) close() {
	t.skipTo(t.open.Number)
	there := txn.Bucket{Number: t.open.Number}
	if len(t.there) > 0 && t.there[0].Number == t.open.Number {
		there, t.there = t.there[0], t.there[1:]
	}
	if there != t.open || t.vague {
		t.look(there)
	}
	t.open, t.vague = txn.Bucket{}, false
}

// end compares what is left.
func (t *tally) end() []span {
	t.close()
	t.skipTo(math.MaxInt64)
	return t.spans
}

// skipTo passes the survivor's buckets below a number: nothing is expected in
// them.
func (t *tally) skipTo(number int64) {
	for len(t.there) > 0 && t.there[0].Number < number {
		t.look(t.there[0])
		t.there = t.there[1:]
	}
}

// look notes that a bucket has to be looked at.
func (t *tally) look(b txn.Bucket) {
	s := span{b.First(), b.First() + txn.BucketRows - 1}
	if n := len(t.spans); n > 0 && t.spans[n-1].last == s.first-1 {
		t.spans[n-1].last = s.last
		return
	}
	t.spans = append(t.spans, s)
}
