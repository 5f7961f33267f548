package plan

import (
	"cmp"
	"slices"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Version is what one attempt made of a row. Its zero value stands for a row
// that nobody wrote; one of kind Delete for a row that was taken away.
type Version struct {
	Seq  txn.Seq
	Kind txn.Kind
}

// There tells whether the version is a row, and not the lack of one.
func (v Version) There() bool { return v.Kind == txn.Insert || v.Kind == txn.Update }

// Expected is what there must be under one key, by the fates of all attempts
// that touched it.
type Expected struct {
	ID txn.RowID
	// Last is what the last attempt made of it that was committed.
	Last Version
	// Open is what a later attempt would have made of it of which nobody
	// knows whether it was committed: what is there is Last or Open. Zero
	// where there is none.
	Open Version
	// Vague says that it may also be of yet another version, or gone: several
	// such attempts touched it, or may have.
	Vague bool
}

// Certain tells whether only one version can be there, or none.
func (e *Expected) Certain() bool { return e.Open == Version{} && !e.Vague }

// shelf keeps expected rows in the order of their ids. Both ends move without
// a copy for each row.
type shelf struct {
	// rows is a stretch of all that moves to its end and is then moved back
	// to its start.
	rows, all []Expected
}

// row gives the row of an id, and makes it where it is not there. It is valid
// until the next call.
func (s *shelf) row(id txn.RowID) *Expected {
	if n := len(s.rows); n == 0 || s.rows[n-1].ID < id {
		s.grow()
		s.rows = append(s.rows, Expected{ID: id})
		return &s.rows[n]
	}
	i, there := s.find(id)
	if !there {
		s.grow()
		s.rows = slices.Insert(s.rows, i, Expected{ID: id})
	}
	return &s.rows[i]
}

func (s *shelf) find(id txn.RowID) (int, bool) {
	return slices.BinarySearchFunc(s.rows, id, func(e Expected, id txn.RowID) int { return cmp.Compare(e.ID, id) })
}

// grow makes room for one more row.
func (s *shelf) grow() {
	if len(s.rows) < cap(s.rows) {
		return
	}
	if 2*len(s.rows) > len(s.all) {
		s.all = make([]Expected, max(64, 2*len(s.all)))
	}
	s.rows = s.all[:copy(s.all, s.rows)]
}

// pop takes the row of the least id off, if that is below the bound.
func (s *shelf) pop(below txn.RowID) (Expected, bool) {
	if len(s.rows) == 0 || s.rows[0].ID >= below {
		return Expected{}, false
	}
	e := s.rows[0]
	s.rows = s.rows[1:]
	return e, true
}
