package plan

import (
	"math"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Replay plans a worker's attempts once more, as a [View] does, and says what
// must have become of its rows. The plan follows the ledger's entries alone, the
// rows follow the attempts' fates alone: an acked insert that was lost is in
// the view, and its row is not expected.
//
// Next and Settle alternate, with Pop between them as one likes:
//
//	a := r.Next()
//	r.Settle(entry, marker)
//	for e, ok := r.Pop(); ok; e, ok = r.Pop() {
//	}
//
// An attempt changes no row but those of the view's window, so a row that left
// it is settled. Rows come in the order of their ids: memory holds those from
// the oldest of the window on, which were ever there. It does not grow with the
// number of attempts.
type Replay struct {
	view  *View
	shelf shelf
	mark  txn.RowID
}

// NewReplay makes the replay of a worker's attempts from seq 1 on, with what
// [New] was given when they were sent.
func NewReplay(mix Mix, seed uint64, run txn.Run, worker txn.Worker) *Replay {
	return &Replay{view: New(mix, seed, run, worker), mark: 1}
}

// Next gives the next attempt, as [View.Next] does.
func (r *Replay) Next() txn.Attempt { return r.view.Next() }

// Settle takes what the ledger says of the attempt that Next gave last, and
// what the look for its marker showed. The marker is the attempt's fate: where
// it was not looked at, both what was before and what the attempt would have
// made are accepted.
func (r *Replay) Settle(e txn.Entry, marker pg.Presence) {
	if marker != pg.Absent {
		for _, op := range r.view.ops {
			r.change(op, marker)
		}
	}
	r.view.Settle(e)
	r.mark = r.view.nextID
	if len(r.view.window.rows) > 0 {
		r.mark = r.view.window.rows[0].id
	}
}

// change lets one operation enter the expected rows.
func (r *Replay) change(op txn.Op, marker pg.Presence) {
	row, v := r.shelf.row(op.ID), Version{Seq: r.view.id.Seq, Kind: op.Kind}
	if marker == pg.Present {
		// Whatever was in doubt before, this one found its row.
		row.Last, row.Open, row.Vague = v, Version{}, false
		return
	}
	row.Vague = row.Vague || row.Open != Version{}
	row.Open = v
}

// Settled is the id below which no row can change any more: those rows were
// given by Pop, or are what it gives next.
func (r *Replay) Settled() txn.RowID { return r.mark }

// Planned is the least id that no attempt so far was to insert.
func (r *Replay) Planned() txn.RowID { return r.view.nextID }

// Pop takes the next settled row, in the order of ids. Rows that were deleted
// are among them; those that no attempt can have committed are not. The second
// result is false where there is none now.
func (r *Replay) Pop() (Expected, bool) { return r.shelf.pop(r.mark) }

// End settles all rows: no attempt follows.
func (r *Replay) End() { r.mark = math.MaxInt64 }

// EndUnheard settles all rows where attempts follow of which there is no entry:
// each row of the window may have been changed by one of them.
func (r *Replay) EndUnheard() {
	for _, w := range r.view.window.rows {
		if i, there := r.shelf.find(w.id); there {
			r.shelf.rows[i].Vague = true
		}
	}
	r.End()
}
