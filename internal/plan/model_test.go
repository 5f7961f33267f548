package plan

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/txn"
	"pgregory.net/rapid"
)

// model is a view that is slow and plainly right: a map of the rows, sorted
// whenever order is asked for.
type model struct {
	mix  Mix
	key  uint64
	seq  txn.Seq
	next txn.RowID
	rows map[txn.RowID]txn.Seq
}

func (m *model) ids() []txn.RowID { return slices.Sorted(maps.Keys(m.rows)) }

func (m *model) plan() []txn.Op {
	m.seq++
	c := chanceOf(m.key, m.seq)
	n := 1 + c.below(0, m.mix.MaxOps)
	free := m.ids()
	var ops []txn.Op
	for i := range n {
		percent := c.below(2*i+1, 100)
		kind := txn.Delete
		if percent < m.mix.Insert+m.mix.Update {
			kind = txn.Update
		}
		if n > MixedOps || percent < m.mix.Insert || len(free) == 0 {
			ops = append(ops, txn.Op{Kind: txn.Insert, ID: m.next})
			m.next++
			continue
		}
		k := c.below(2*i+2, len(free))
		ops = append(ops, txn.Op{Kind: kind, ID: free[k], Expect: m.rows[free[k]]})
		free = slices.Delete(free, k, k+1)
	}
	return ops
}

func (m *model) settle(ops []txn.Op, e txn.Entry) {
	ack := e.Outcome == txn.Acked || e.Outcome == txn.AckedUnreplicated
	miss := e.Fault == txn.Miss || e.State == txn.StateOf("22012")
	for _, op := range ops {
		switch {
		case e.Outcome == txn.Failed && !miss:
		case ack && op.Kind != txn.Delete:
			m.rows[op.ID] = m.seq
		default:
			delete(m.rows, op.ID)
		}
	}
	if ids := m.ids(); len(ids) > windowRows {
		for _, id := range ids[:len(ids)-windowRows] {
			delete(m.rows, id)
		}
	}
}

func TestViewAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		insert := rapid.IntRange(0, 100).Draw(t, "insert")
		update := rapid.IntRange(0, 100-insert).Draw(t, "update")
		mix := Mix{Insert: insert, Update: update, Delete: 100 - insert - update}
		// Sizes that stay small, that fill the window, and that exceed it.
		mix.MaxOps = rapid.SampledFrom([]int{1, 3, 32, 33, 300, 3000}).Draw(t, "max ops")
		seed, worker := rapid.Uint64().Draw(t, "seed"), txn.Worker(rapid.Int32Min(0).Draw(t, "worker"))
		view := New(mix, seed, 7, worker)
		slow := &model{mix: mix, key: keyOf(seed, worker), next: 1, rows: map[txn.RowID]txn.Seq{}}
		fates := rapid.SliceOfN(rapid.SampledFrom([]txn.Entry{
			acked, acked, acked, acked, acked, acked,
			{Outcome: txn.AckedUnreplicated}, {Outcome: txn.Failed}, {},
			{Outcome: txn.Failed, Fault: txn.Miss}, {Outcome: txn.Failed, State: txn.StateOf("22012")},
			{Outcome: txn.Failed, State: txn.StateOf("40001"), Fault: txn.OtherFault}, {Outcome: 9},
		}), 1, 60).Draw(t, "entries")
		// A filled window first, in some of the cases.
		for range rapid.SampledFrom([]int{0, 0, 100}).Draw(t, "acks first") {
			fates = append(fates, acked)
		}
		slices.Reverse(fates)
		for _, e := range fates {
			want, got := slow.plan(), view.Next()
			if !slices.Equal(want, got.Ops) {
				t.Fatalf("plan of %v:\n%s", got.ID, cmp.Diff(want, got.Ops))
			}
			if got.ID != (txn.ID{Run: 7, Worker: worker, Seq: slow.seq}) {
				t.Fatalf("%+v is not seq %d", got.ID, slow.seq)
			}
			touched := map[txn.RowID]bool{}
			for _, op := range got.Ops {
				if touched[op.ID] || op.ID < 1 {
					t.Fatalf("%v touches row %d twice", got.ID, op.ID)
				}
				touched[op.ID] = true
			}
			slow.settle(want, e)
			view.Settle(e)
			var rows []row
			for _, id := range slow.ids() {
				rows = append(rows, row{id, slow.rows[id]})
			}
			if !slices.Equal(rows, view.window.rows) {
				t.Fatalf("view after %v settled as %+v differs: %d rows, want %d", got.ID, e, len(view.window.rows), len(rows))
			}
		}
	})
}

// The ring's two ends and its middle, against a slice.
func TestWindowAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		w.rows = w.ring[:0]
		var want []row
		id := txn.RowID(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") || len(want) == 0 {
				for range rapid.IntRange(1, 700).Draw(t, "rows") {
					id++
					w.push(row{id, 1})
					want = append(want, row{id, 1})
				}
				want = want[max(0, len(want)-windowRows):]
			} else {
				for range rapid.IntRange(1, len(want)).Draw(t, "removals") {
					at := int(txn.Mix(uint64(id)+uint64(len(want))) % uint64(len(want)))
					if i, ok := w.find(want[at].id); !ok || i != at {
						t.Fatalf("row %d found at %d, want %d", want[at].id, i, at)
					}
					w.remove(at)
					want = slices.Delete(want, at, at+1)
				}
			}
			if !slices.Equal(want, w.rows) {
				t.Fatalf("%d rows, want %d", len(w.rows), len(want))
			}
		}
	})
}
