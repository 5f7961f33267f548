package plan

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// stateMiss is the SQLSTATE of an operation that missed its row:
// division_by_zero, which the statement raises on purpose.
var stateMiss = txn.StateOf("22012")

// View is what one worker may believe of its own table, and the plan of its
// attempts. It follows the ledger's entries alone. A new worker's view is empty
// and its first attempt has seq 1.
//
// Next and Settle alternate. A view belongs to one goroutine.
type View struct {
	mix    Mix
	key    uint64
	id     txn.ID
	nextID txn.RowID
	open   bool
	ops    []txn.Op
	window window
	// taken are the indices into the window that the attempt being planned
	// has chosen, ascending.
	taken []int
}

// New makes the view of a worker that has sent nothing yet. The mix must be
// valid. Chance comes from seed and worker; the run is only carried into the
// attempts' names.
func New(mix Mix, seed uint64, run txn.Run, worker txn.Worker) *View {
	v := &View{
		mix: mix, key: keyOf(seed, worker),
		id: txn.ID{Run: run, Worker: worker}, nextID: 1,
		ops:   make([]txn.Op, 0, min(mix.MaxOps, MixedOps)),
		taken: make([]int, 0, MixedOps),
	}
	v.window.rows = v.window.ring[:0]
	return v
}

// Next plans the next attempt: seq 1, 2, 3 and so on. No two operations of an
// attempt touch one row. Ids of inserted rows ascend and are never used twice,
// also not those of a failed attempt. Ops alias the view's buffer until the
// next call. Next panics when the attempt before was not settled: what it
// planned then would be no function of the ledger.
func (v *View) Next() txn.Attempt {
	if v.open {
		panic(fmt.Sprintf("plan: %v was not settled before the next attempt", v.id))
	}
	v.open = true
	v.id.Seq++
	v.ops, v.taken = v.ops[:0], v.taken[:0]
	c := chanceOf(v.key, v.id.Seq)
	n := 1 + c.below(0, v.mix.MaxOps)
	for i := range n {
		kind := txn.Insert
		if n <= MixedOps {
			kind = v.mix.kind(c.below(2*i+1, 100))
		}
		v.plan(kind, c, 2*i+2)
	}
	return txn.Attempt{ID: v.id, Ops: v.ops}
}

// kind maps a percentile to a kind.
func (m Mix) kind(percentile int) txn.Kind {
	switch {
	case percentile < m.Insert:
		return txn.Insert
	case percentile < m.Insert+m.Update:
		return txn.Update
	default:
		return txn.Delete
	}
}

// plan adds one operation. An update or delete takes each row of the window
// that this attempt has not yet chosen with the same chance, by draw.
func (v *View) plan(kind txn.Kind, c chance, draw int) {
	free := len(v.window.rows) - len(v.taken)
	if kind == txn.Insert || free == 0 {
		v.ops = append(v.ops, txn.Op{Kind: txn.Insert, ID: v.nextID})
		v.nextID++
		return
	}
	// The drawn rank counts free rows only: each taken row at or before it
	// moves it on by one.
	at, i := c.below(draw, free), 0
	for ; i < len(v.taken) && v.taken[i] <= at; i++ {
		at++
	}
	v.taken = append(v.taken, 0)
	copy(v.taken[i+1:], v.taken[i:])
	v.taken[i] = at
	r := v.window.rows[at]
	v.ops = append(v.ops, txn.Op{Kind: kind, ID: r.id, Expect: r.seq})
}

// Settle tells the view what the ledger says of the attempt that was planned
// last. It must follow every Next, and panics where it does not.
//
//	acked, acked_unreplicated   the effects enter the view
//	failed                      as before; but on a miss (22012) the rows that
//	                            it would have changed leave the view
//	in-doubt                    the rows that it touched leave the view, and
//	                            its inserts never enter
//
// Of an acked attempt the changes of old rows come first, then its inserts
// enter and the oldest rows past the window leave.
func (v *View) Settle(e txn.Entry) {
	if !v.open {
		panic(fmt.Sprintf("plan: an entry without an attempt after %v", v.id))
	}
	v.open = false
	switch e.Outcome {
	case txn.Acked, txn.AckedUnreplicated:
		v.apply()
	case txn.Failed:
		if e.Fault == txn.Miss || e.State == stateMiss {
			v.forget()
		}
	default:
		v.forget()
	}
}

// apply lets the attempt's effects enter the view.
func (v *View) apply() {
	if len(v.taken) > 0 {
		for _, op := range v.ops {
			i, ok := v.window.find(op.ID)
			switch {
			case !ok:
			case op.Kind == txn.Update:
				v.window.rows[i].seq = v.id.Seq
			case op.Kind == txn.Delete:
				v.window.remove(i)
			}
		}
	}
	for _, op := range v.ops {
		if op.Kind == txn.Insert {
			v.window.push(row{op.ID, v.id.Seq})
		}
	}
}

// forget takes the rows that the attempt would have changed out of the view.
func (v *View) forget() {
	for n := len(v.taken) - 1; n >= 0; n-- {
		v.window.remove(v.taken[n])
	}
}
