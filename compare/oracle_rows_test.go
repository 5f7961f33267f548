package compare_test

import (
	"bytes"
	"maps"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// windowOfPlan is how many of its newest live rows a worker may change.
const windowOfPlan = 1024

// key is what all attempts that may have been committed did to one row.
type key struct {
	// last is what the last one did that was, and open what later ones did
	// of which nobody knows.
	last plan.Version
	open []plan.Version
}

// shelf is what is known of a worker's rows.
type shelf struct {
	worker txn.Worker
	keys   map[txn.RowID]*key
	deeds  map[txn.Seq]*deed
	// ended is the last seq with an entry, next the first id that no entry's
	// attempt was to insert, and view the rows that the next may change.
	ended txn.Seq
	next  txn.RowID
	view  map[txn.RowID]bool
	// later says that a transaction past the last entry is there.
	later bool
}

// rows compares the rows of all tables.
func (o *oracle) rows() {
	s := o.facts.Survivor
	if !s.Proven || s.TablesAbsent || o.facts.TableWorkers == nil {
		return
	}
	var all []txn.Worker
	for _, r := range o.facts.Reserves {
		all = append(all, r.Worker)
	}
	all = append(all, o.facts.TableWorkers...)
	slices.Sort(all)
	for _, w := range slices.Compact(all) {
		there := map[txn.RowID]txn.Content{}
		if slices.Contains(o.facts.TableWorkers, w) {
			there = o.ev.tables[w]
		}
		shelf := o.shelve(w)
		for id := range there {
			r := there[id]
			o.row(shelf, &r)
		}
		for id, k := range shelf.keys {
			if _, is := there[id]; !is && k.mustBe() && !(shelf.later && shelf.view[id]) {
				o.found(compare.MissingRow, txn.ID{Worker: w, Seq: k.last.Seq}, id)
			}
		}
	}
}

// mustBe tells whether a row must be there, in whatever version.
func (k *key) mustBe() bool {
	return k.last.There() && !slices.ContainsFunc(k.open, func(v plan.Version) bool { return v.Kind == txn.Delete })
}

// shelve lets each attempt of a worker that may have been committed do what it
// was to do, in the order of seqs.
func (o *oracle) shelve(w txn.Worker) *shelf {
	s := &shelf{worker: w, keys: map[txn.RowID]*key{}, deeds: map[txn.Seq]*deed{}, next: 1, view: map[txn.RowID]bool{}}
	for _, d := range o.all {
		if d.id.Worker != w {
			continue
		}
		s.deeds[d.id.Seq] = d
		if d.sent() {
			s.ended = d.id.Seq
			s.do(d)
		}
	}
	for _, d := range s.deeds {
		if d.id.Seq > s.ended && d.marker == pg.Present && (d.account == compare.NoEntry || !o.whole(w)) {
			s.later = true
		}
	}
	return s
}

func (s *shelf) do(d *deed) {
	for _, op := range d.ops {
		if op.Kind == txn.Insert {
			s.next = op.ID + 1
		}
		if d.marker == pg.Absent {
			continue
		}
		if s.keys[op.ID] == nil {
			s.keys[op.ID] = &key{}
		}
		v := plan.Version{Seq: d.id.Seq, Kind: op.Kind}
		if k := s.keys[op.ID]; d.marker == pg.Present {
			*k = key{last: v}
		} else {
			k.open = append(k.open, v)
		}
	}
	// The worker believes what it was told.
	missed := d.entry.Fault == txn.Miss || d.entry.State == txn.StateOf("22012")
	for _, op := range d.ops {
		switch {
		case d.acked() && op.Kind == txn.Insert:
			s.view[op.ID] = true
		case d.acked() && op.Kind == txn.Delete, d.account == compare.InDoubt, d.account == compare.Failed && missed:
			delete(s.view, op.ID)
		}
	}
	if over := len(s.view) - windowOfPlan; over > 0 {
		for _, id := range slices.Sorted(maps.Keys(s.view))[:over] {
			delete(s.view, id)
		}
	}
}

// row judges one row that is there.
func (o *oracle) row(s *shelf, r *txn.Content) {
	class, seq := o.classOf(s, r)
	switch {
	case class == compare.NoClass:
	case class == compare.AlienRow && !o.known(s.worker, r):
		o.res.UnattributedRows++
	default:
		o.found(class, txn.ID{Worker: s.worker, Seq: seq}, r.ID)
	}
}

// known tells whether an account would know a row that none knows.
func (o *oracle) known(w txn.Worker, r *txn.Content) bool {
	switch {
	case o.complete():
		return true
	case r.ID < 0:
		return false
	case r.ID < 1 || r.Seq < 1:
		return true // nobody writes such
	}
	_, accounted := o.reserve(w)
	return accounted && (o.whole(w) || r.Seq <= max(o.covered(w), txn.Seq(len(o.ev.entries[w]))))
}

func (o *oracle) classOf(s *shelf, r *txn.Content) (compare.Class, txn.Seq) {
	if r.ID < 0 {
		if o.announced(txn.ID{Worker: txn.SentinelWorker, Seq: txn.Seq(-r.ID)}) && int64(r.Seq) == -int64(r.ID) {
			return compare.NoClass, 0
		}
		return compare.AlienRow, r.Seq
	}
	k := s.keys[r.ID]
	if k == nil {
		k = &key{}
	}
	for _, v := range append(slices.Clone(k.open), k.last) {
		if v.There() && v.Seq == r.Seq {
			return o.content(s, r, v.Kind)
		}
	}
	d := s.deeds[r.Seq]
	switch {
	case r.Seq < 1 || d == nil || d.account == compare.NeverSent:
		return compare.AlienRow, r.Seq
	case d.marker == pg.Absent:
		return compare.TornTransaction, r.Seq
	case d.marker == pg.NotLooked:
		return compare.AlienRow, r.Seq
	case r.Seq > s.ended && r.ID >= s.next:
		return o.content(s, r, txn.Insert, txn.Update)
	case r.Seq > s.ended && s.view[r.ID] && s.keys[r.ID] != nil:
		return o.content(s, r, txn.Update)
	case r.Seq > s.ended || r.Seq >= k.last.Seq:
		return compare.AlienRow, r.Seq
	case k.last.Kind == txn.Delete:
		return compare.ResurrectedRow, k.last.Seq
	default:
		return compare.StaleRow, k.last.Seq
	}
}

// content compares a row with what its attempt wrote there.
func (o *oracle) content(s *shelf, r *txn.Content, kinds ...txn.Kind) (compare.Class, txn.Seq) {
	for _, kind := range kinds {
		want := contentOf(o.c, txn.ID{Run: o.c.Run, Worker: s.worker, Seq: r.Seq}, r.ID, kind)
		if want.Sum == r.Sum && (o.c.Payload == compare.PayloadSums || bytes.Equal(want.Payload, r.Payload)) {
			return compare.NoClass, 0
		}
	}
	return compare.CorruptRow, r.Seq
}
