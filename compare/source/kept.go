package source

import (
	"iter"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// keptEntries and those below give the streams of a folder as the judge reads
// them.
func (d folder) keptEntries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return read(d, w, entryCodec())
}

func (d folder) keptMarkers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	return read(d, w, markerCodec())
}

func (d folder) keptCommits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return read(d, w, commitCodec())
}

// keptContents are the rows with ids from first to last, with their payload.
func (d folder) keptContents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return within(read(d, w, contentCodec()), first, last, func(c txn.Content) txn.RowID { return c.ID })
}

// keptRows are the rows with ids from first to last, whether they were kept with
// their payload or not.
func (d folder) keptRows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		if _, full := d.files[stream{contents, w}.name()]; !full {
			within(read(d, w, rowCodec()), first, last, func(r txn.Row) txn.RowID { return r.ID })(yield)
			return
		}
		for c, err := range d.keptContents(w, first, last) {
			if !yield(c.Row, err) {
				return
			}
		}
	}
}

// keptBuckets sums the rows by the arithmetic of [txn.Bucket], as the survivor
// would have.
func (d folder) keptBuckets(w txn.Worker) ([]txn.Bucket, error) {
	var all []txn.Bucket
	for r, err := range d.keptRows(w, minID, maxID) {
		if err != nil {
			return nil, err
		}
		number := txn.BucketOf(r.ID)
		if n := len(all); n == 0 || all[n-1].Number != number {
			all = append(all, txn.Bucket{Number: number})
		}
		all[len(all)-1].Add(r.ID, r.Seq, r.Sum)
	}
	return all, nil
}

// within gives the elements with ids from first to last, of a stream by
// ascending id.
func within[T any](all iter.Seq2[T, error], first, last txn.RowID, id func(T) txn.RowID) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range all {
			switch {
			case err == nil && id(v) < first:
			case err == nil && id(v) > last:
				return
			case !yield(v, err):
				return
			}
		}
	}
}
