package plan

import (
	"cmp"
	"slices"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// windowRows is the number of newest live rows that a worker's updates and
// deletes choose among.
const windowRows = 1024

// row is one live row as the view knows it: its key, and the attempt that
// wrote its newest version.
type row struct {
	id  txn.RowID
	seq txn.Seq
}

// window holds the newest live rows of a worker, ordered by id, at most
// [windowRows] of them. A row that left never comes back.
type window struct {
	// rows is a stretch of ring that moves to its end and is then moved back
	// to its start, so that both ends move without a copy for each row.
	rows []row
	ring [2 * windowRows]row
}

// find returns the index of a row.
func (w *window) find(id txn.RowID) (int, bool) {
	return slices.BinarySearchFunc(w.rows, id, func(r row, id txn.RowID) int {
		return cmp.Compare(r.id, id)
	})
}

// push adds a row whose id is greater than all others'; beyond [windowRows]
// the oldest leaves.
func (w *window) push(r row) {
	if len(w.rows) == windowRows {
		w.rows = w.rows[1:]
	}
	if len(w.rows) == cap(w.rows) {
		w.rows = w.ring[:copy(w.ring[:], w.rows)]
	}
	w.rows = append(w.rows, r)
}

// remove takes the row at index i out, by moving the shorter side.
func (w *window) remove(i int) {
	if i < len(w.rows)/2 {
		copy(w.rows[1:i+1], w.rows[:i])
		w.rows = w.rows[1:]
		return
	}
	w.rows = append(w.rows[:i], w.rows[i+1:]...)
}
