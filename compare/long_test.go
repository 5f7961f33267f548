package compare_test

import (
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// kept is an endless run of one worker whose rows are what a table holds into which
// each attempt that was kept has put its operations, one by one, as a server does:
// nothing of it comes from the replay that it is compared with.
type kept struct {
	*endless
	table map[txn.RowID]txn.Content
	ids   []txn.RowID
	kinds map[txn.Kind]int
}

func newKept(attempts txn.Seq) *kept {
	k := &kept{endless: &endless{workers: 1, attempts: attempts}, table: map[txn.RowID]txn.Content{}, kinds: map[txn.Kind]int{}}
	view := plan.New(endlessMix, 1, testRun, 0)
	for seq := range attempts {
		a, e := view.Next(), k.entry(seq+1)
		for _, op := range a.Ops {
			if e.Outcome != txn.Acked {
				break
			}
			k.kinds[op.Kind]++
			if op.Kind == txn.Delete {
				delete(k.table, op.ID)
				continue
			}
			payload := txn.AppendPayload(nil, 1, a.ID, op.ID, endlessMix.PayloadBytes)
			row := txn.Row{Run: testRun, ID: op.ID, Seq: a.Seq, Sum: txn.SumOf(a.ID, op.ID, op.Kind, payload)}
			k.table[op.ID] = txn.Content{Row: row, Payload: payload}
		}
		view.Settle(e)
	}
	k.ids = slices.Sorted(maps.Keys(k.table))
	return k
}

func (k *kept) Contents(_ txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return func(yield func(txn.Content, error) bool) {
		for _, id := range k.ids {
			if id >= first && id <= last && !yield(k.table[id], nil) {
				return
			}
		}
	}
}

func (k *kept) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		for c := range k.Contents(w, first, last) {
			if !yield(c.Row, nil) {
				return
			}
		}
	}
}

func (k *kept) Buckets(txn.Worker) ([]txn.Bucket, error) {
	var all []txn.Bucket
	for _, id := range k.ids {
		r := k.table[id]
		if n := txn.BucketOf(id); len(all) == 0 || all[len(all)-1].Number != n {
			all = append(all, txn.Bucket{Number: n})
		}
		all[len(all)-1].Add(r.ID, r.Seq, r.Sum)
	}
	return all, nil
}

// A clean run of 200 000 attempts of every kind has nothing to find, by sums and
// by payloads.
func TestLongCleanRun(t *testing.T) {
	const attempts = 200_000
	k := newKept(attempts)
	if len(k.table) == 0 || k.kinds[txn.Insert] == 0 || k.kinds[txn.Update] == 0 || k.kinds[txn.Delete] == 0 {
		t.Fatalf("%d rows, operations %v", len(k.table), k.kinds)
	}
	for _, payload := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
		c := testCase()
		c.Mix, c.Payload = endlessMix, payload
		res, err := compare.Judge(c, k.facts(), k, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Verdict != compare.Met || res.Counts != [compare.Classes]int64{} || res.Attempts.Sent != attempts {
			t.Errorf("payload %d: verdict %v, %d attempts, findings %v: %v", payload, res.Verdict, res.Attempts.Sent, res.Counts, res.Reasons)
		}
	}
}
