package compare_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A row that its worker's whole account does not know is alien, and so is a row of
// an id that no plan gives, though an account is missing.
func TestStrangeRowsThoughAnAccountIsMissing(t *testing.T) {
	ev := longRun()
	ev.back(0, pick(t, ev.lives(0), living), plan.Version{Seq: 900, Kind: txn.Update})
	ev.facts.Drivers = append(ev.facts.Drivers, compare.Driver{ID: 1, Started: testStart})
	if res, found := ev.judge(t, testCase()); len(found) != 1 || found[0].Class != compare.AlienRow || res.UnattributedRows != 0 {
		t.Errorf("a whole account: found %v, %d unattributed", keysOf(found), res.UnattributedRows)
	}
	ev = longRun()
	ev.table(0)
	ev.facts.TableWorkers = append(ev.facts.TableWorkers, 5)
	ev.facts.Workers = []txn.Worker{0, 1, 5}
	ev.tables[5] = map[txn.RowID]txn.Content{0: written(txn.ID{Run: testRun, Worker: 5, Seq: 1}, 0, txn.Insert)}
	_, found := ev.judge(t, testCase())
	if d := cmp.Diff([]string{"alien_row 5/1 row 0"}, keysOf(found)); d != "" {
		t.Errorf("an id of no plan (-want +found):\n%s", d)
	}
}

// disordered is evidence whose rows, or their sums, come as spoil has them.
type disordered struct {
	*evidence
	rows    func([]txn.Row)
	buckets func([]txn.Bucket) []txn.Bucket
}

func (d disordered) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	all, err := d.evidence.Buckets(w)
	return d.buckets(all), err
}

func (d disordered) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	var all []txn.Row
	for r := range d.evidence.Rows(w, first, last) {
		all = append(all, r)
	}
	d.rows(all)
	return func(yield func(txn.Row, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Rows and sums that come out of order, and rows of another run, end the
// judgement: what was merged with them would be found missing.
func TestDisorderedRowsAreRefused(t *testing.T) {
	spoilt := func(b []txn.Bucket) []txn.Bucket { b[0].Rows++; return b }
	for name, d := range map[string]disordered{
		"rows out of order":    {rows: func(r []txn.Row) { slices.Reverse(r) }, buckets: spoilt},
		"a row of another run": {rows: func(r []txn.Row) { r[len(r)-1].Run++ }, buckets: spoilt},
		"sums out of order": {rows: func([]txn.Row) {}, buckets: func(b []txn.Bucket) []txn.Bucket {
			return append(b, txn.Bucket{Number: b[0].Number})
		}},
	} {
		d.evidence = longRun()
		if res, err := compare.Judge(testCase(), d.facts, d, nil); err == nil || res.Verdict == compare.Met {
			t.Errorf("%s: error %v, verdict %v", name, err, res.Verdict)
		}
	}
}

// Of several attempts that could not be settled, any may have been the last to
// change a row.
func TestAnyOfSeveralOpenAttempts(t *testing.T) {
	ev := longRun()
	l := pick(t, ev.lives(0), func(l life) bool {
		n := len(l.last)
		return n > 2 && l.end().Kind == txn.Update && l.last[n-2].Kind == txn.Update
	})
	open := l.last[len(l.last)-2:]
	ev.back(0, l, open[0])
	ev.facts.Unresolved = map[txn.ID]string{}
	for _, v := range open {
		ev.facts.Unresolved[txn.ID{Run: testRun, Worker: 0, Seq: v.Seq}] = "locked"
		ev.markers[0] = slices.DeleteFunc(ev.markers[0], func(m txn.Marker) bool { return m.Seq == v.Seq })
	}
	if _, found := ev.judge(t, testCase()); len(found) != 0 {
		t.Errorf("found %v", keysOf(found))
	}
}
