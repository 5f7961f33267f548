package plant

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Judge judges evidence, as [compare.Judge] does.
type Judge func(compare.Case, compare.Facts, compare.Streams, func(compare.Finding) error) (compare.Result, error)

// Key names a finding: a class, the attempt, and the row if it is one of a row.
type Key struct {
	Class  compare.Class
	Worker txn.Worker
	Seq    txn.Seq
	Row    txn.RowID
}

// String names it for people.
func (k Key) String() string {
	if k.Row != 0 {
		return fmt.Sprintf("%v of worker %d seq %d row %d", k.Class, k.Worker, k.Seq, k.Row)
	}
	return fmt.Sprintf("%v of worker %d seq %d", k.Class, k.Worker, k.Seq)
}

// place names a row of a worker's table.
type place struct {
	worker txn.Worker
	row    txn.RowID
}

// attempt is one transaction of the base as the plan has it.
type attempt struct {
	txn.ID
	ops []txn.Op
}

// Base is the evidence of one run, what was planned in it, and what was found.
type Base struct {
	*Evidence
	// Result is what the judge says of the evidence as it is.
	Result compare.Result
	found  map[Key]int
	// all are the attempts with an entry, by worker and seq.
	all []*attempt
	// versions are all versions of each row that were ever planned, by seq.
	versions map[place][]plan.Version
	// marked are the attempts and rows that a finding of the base names: they
	// are left alone, but where a planter undoes that very finding.
	marked     map[txn.ID]bool
	markedRows map[place]bool
	places     []place
}

// NewBase judges evidence as it is. The error wraps [ErrMisjudged] if that gives
// anything but what follows from it: such a base would spoil every round.
func NewBase(e *Evidence, judge Judge) (*Base, error) {
	b := &Base{
		Evidence: e, found: map[Key]int{}, versions: map[place][]plan.Version{},
		marked: map[txn.ID]bool{}, markedRows: map[place]bool{},
	}
	b.replan()
	var err error
	b.Result, err = judge(e.Case, e.Facts, e, func(f compare.Finding) error {
		b.found[keyOf(f)]++
		if f.Row != 0 {
			b.markedRows[place{f.Worker, f.Row}] = true
		} else {
			b.marked[f.ID] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("judge the run as it is: %w", err)
	}
	for id := range e.Facts.Unresolved {
		b.marked[id] = true
		for _, a := range b.all {
			if a.ID == id {
				for _, op := range a.ops {
					b.markedRows[place{id.Worker, op.ID}] = true
				}
			}
		}
	}
	// Without anything planted, what is found must be what there is.
	p := b.Plot(0)
	p.want = p.plain()
	o, err := p.Try(judge)
	if err != nil {
		return nil, fmt.Errorf("judge the run as it is: %w", err)
	}
	if len(o.Wrong) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrMisjudged, strings.Join(o.Wrong[:min(len(o.Wrong), 10)], "; "))
	}
	return b, nil
}

// ErrMisjudged is wrapped where a run is misjudged in which nothing was planted.
var ErrMisjudged = errors.New("judge the run as it is")

// plain are the findings that entry, marker and commits of each attempt give by
// themselves. A run of pgrpo's own has no others: its rows fit its markers, and
// its stream is in order.
func (p *Plot) plain() map[Key]int {
	found := map[Key]int{}
	for _, a := range p.base.all {
		e, _ := p.entry(a.ID)
		key := Key{Worker: a.Worker, Seq: a.Seq}
		find := func(class compare.Class) {
			key.Class = class
			found[key]++
		}
		shown := p.commitsOf(a.ID) > 0
		switch there := p.rowsSay(a.ID); {
		case there == lost && e.Outcome == txn.Acked:
			find(compare.LostTransaction)
		case there == lost && e.Outcome == txn.AckedUnreplicated:
			find(compare.LostUnreplicated)
		case there == lives && e.Outcome == txn.Failed:
			find(compare.PhantomTransaction)
		}
		switch there := p.rowsSay(a.ID); {
		case there == lost && shown:
			find(compare.CapturedLost)
		case there == lives && !shown:
			find(compare.CaptureGap)
		}
	}
	return found
}

func keyOf(f compare.Finding) Key { return Key{f.Class, f.Worker, f.Seq, f.Row} }

// replan plans every attempt once more.
func (b *Base) replan() {
	for _, w := range slices.Sorted(maps.Keys(b.Ledgers)) {
		view := plan.New(b.Case.Mix, b.Case.Seed, b.Case.Run, w)
		for _, e := range b.Ledgers[w] {
			next := view.Next()
			a := &attempt{ID: next.ID, ops: slices.Clone(next.Ops)}
			b.all = append(b.all, a)
			for _, op := range a.ops {
				at := place{w, op.ID}
				if b.versions[at] == nil {
					b.places = append(b.places, at)
				}
				b.versions[at] = append(b.versions[at], plan.Version{Seq: a.Seq, Kind: op.Kind})
			}
			view.Settle(e)
		}
	}
}

// sum is the xor of the checksums of an attempt's changes.
func (b *Base) sum(a *attempt) txn.Sum {
	sum := txn.Sum(0)
	for _, op := range a.ops {
		sum ^= b.change(a.ID, op)
	}
	return sum
}

// change is the checksum of one change. A delete writes no payload.
func (b *Base) change(id txn.ID, op txn.Op) txn.Sum {
	if op.Kind == txn.Delete {
		return txn.SumOf(id, op.ID, op.Kind, nil)
	}
	return txn.SumOf(id, op.ID, op.Kind, txn.AppendPayload(nil, b.Case.Seed, id, op.ID, b.Case.Mix.PayloadBytes))
}

// content is what an attempt writes into a row.
func (b *Base) content(at place, v plan.Version) txn.Content {
	id := txn.ID{Run: b.Case.Run, Worker: at.worker, Seq: v.Seq}
	payload := txn.AppendPayload(nil, b.Case.Seed, id, at.row, b.Case.Mix.PayloadBytes)
	return txn.Content{
		Row:     txn.Row{Run: b.Case.Run, ID: at.row, Seq: v.Seq, Sum: txn.SumOf(id, at.row, v.Kind, payload)},
		Payload: payload,
	}
}

// Reserve is who accounts for a worker, and how far; false where nobody does.
func (e *Evidence) Reserve(w txn.Worker) (txn.Reserve, bool) {
	i := slices.IndexFunc(e.Facts.Reserves, func(r txn.Reserve) bool { return r.Worker == w })
	if i < 0 {
		return txn.Reserve{}, false
	}
	return e.Facts.Reserves[i], true
}

// branchOf is the branch of the connection of a worker's entry, 0 unknown.
func (e *Evidence) branchOf(d txn.Driver, c txn.Conn) pg.BranchID {
	if c == 0 || e.Facts.BranchOf == nil {
		return 0
	}
	return e.Facts.BranchOf(d, c)
}
