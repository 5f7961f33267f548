package source

import (
	"cmp"
	"maps"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// connKey names a connection of the run.
type connKey struct {
	Driver txn.Driver
	Conn   txn.Conn
}

// connBranch is what [compare.Facts.BranchOf] says of one connection.
type connBranch struct {
	connKey
	Branch pg.BranchID
}

// unresolved is one attempt of [compare.Facts.Unresolved].
type unresolved struct {
	txn.ID
	Why string
}

// storedFacts are the facts as JSON: a member for each field of compare.Facts,
// under its name. Two have a form of their own, since JSON has none for a
// function, nor for a map by attempts.
type storedFacts struct {
	compare.Facts
	BranchOf   []connBranch
	Unresolved []unresolved
}

// storedForm is the form of the facts, with the branches of these connections.
func storedForm(f compare.Facts, conns map[connKey]bool) storedFacts {
	s := storedFacts{Facts: f}
	if f.BranchOf != nil {
		s.BranchOf = []connBranch{}
		for _, at := range slices.SortedFunc(maps.Keys(conns), byConn) {
			if b := f.BranchOf(at.Driver, at.Conn); b != 0 {
				s.BranchOf = append(s.BranchOf, connBranch{at, b})
			}
		}
	}
	if f.Unresolved != nil {
		s.Unresolved = []unresolved{}
		for _, id := range slices.SortedFunc(maps.Keys(f.Unresolved), byID) {
			s.Unresolved = append(s.Unresolved, unresolved{id, f.Unresolved[id]})
		}
	}
	return s
}

// facts are the facts of the form.
func (s storedFacts) facts() compare.Facts {
	f := s.Facts
	if s.BranchOf != nil {
		branches := make(map[connKey]pg.BranchID, len(s.BranchOf))
		for _, c := range s.BranchOf {
			branches[c.connKey] = c.Branch
		}
		f.BranchOf = func(d txn.Driver, c txn.Conn) pg.BranchID { return branches[connKey{d, c}] }
	}
	if s.Unresolved != nil {
		f.Unresolved = make(map[txn.ID]string, len(s.Unresolved))
		for _, u := range s.Unresolved {
			f.Unresolved[u.ID] = u.Why
		}
	}
	return f
}

func byConn(a, b connKey) int {
	return cmp.Or(cmp.Compare(a.Driver, b.Driver), cmp.Compare(a.Conn, b.Conn))
}

func byID(a, b txn.ID) int {
	return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Seq, b.Seq))
}
