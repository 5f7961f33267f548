package compare_test

import (
	"iter"
	"maps"
	"slices"

	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// table gives the rows that a worker's committed attempts left, by the words of
// the design and with no care for speed: each change of an attempt whose marker
// is there was made, in the order of seqs. It is made once; what a test changes
// in it stays.
func (ev *evidence) table(w txn.Worker) map[txn.RowID]txn.Content {
	if t, there := ev.tables[w]; there {
		return t
	}
	marked := map[txn.Seq]bool{}
	for _, m := range ev.markers[w] {
		marked[m.Seq] = true
	}
	t := map[txn.RowID]txn.Content{}
	view := plan.New(testMix, 1, testRun, w)
	for _, e := range ev.entries[w] {
		a := view.Next()
		for _, op := range a.Ops {
			switch {
			case !marked[a.Seq]:
			case op.Kind == txn.Delete:
				delete(t, op.ID)
			default:
				t[op.ID] = written(a.ID, op.ID, op.Kind)
			}
		}
		view.Settle(e)
	}
	if ev.tables == nil {
		ev.tables = map[txn.Worker]map[txn.RowID]txn.Content{}
	}
	ev.tables[w] = t
	return t
}

// written is what an attempt writes into a row.
func written(id txn.ID, row txn.RowID, kind txn.Kind) txn.Content {
	payload := txn.AppendPayload(nil, 1, id, row, testMix.PayloadBytes)
	return txn.Content{Row: txn.Row{Run: id.Run, ID: row, Seq: id.Seq, Sum: txn.SumOf(id, row, kind, payload)}, Payload: payload}
}

func (ev *evidence) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	var all []txn.Bucket
	for _, id := range slices.Sorted(maps.Keys(ev.table(w))) {
		r := ev.table(w)[id]
		if n := txn.BucketOf(id); len(all) == 0 || all[len(all)-1].Number != n {
			all = append(all, txn.Bucket{Number: n})
		}
		all[len(all)-1].Add(r.ID, r.Seq, r.Sum)
	}
	if ev.broken == "buckets" {
		return nil, errBroken
	}
	return all, nil
}

func (ev *evidence) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	var all []txn.Content
	for _, id := range slices.Sorted(maps.Keys(ev.table(w))) {
		if id >= first && id <= last {
			all = append(all, ev.table(w)[id])
		}
	}
	return stream(ev, "rows", all)
}

func (ev *evidence) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		for c, err := range ev.Contents(w, first, last) {
			if !yield(c.Row, err) {
				return
			}
		}
	}
}
