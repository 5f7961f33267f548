package plant

import (
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func alienPlanters() []*Planter {
	return []*Planter{
		{Name: "marker of a seq that was never used", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: alienMarker},
		{Name: "marker of a worker that was never there", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: alienWorker},
		{Name: "row of a seq that was never used", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: alienRow},
		{Name: "row that its transaction did not write", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: foreignRow},
		{Name: "row shown as of a later transaction that did not write it", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: laterRow},
		{Name: "end transaction that was not announced", Reach: Local, Classes: []compare.Class{compare.AlienRow}, plant: alienEnd},
	}
}

// whole tells whether the account of a worker is closed and undamaged: what it
// does not know was never sent.
func (p *Plot) whole(w txn.Worker) bool {
	r, known := p.Reserve(w)
	if !known || !r.Closed {
		return false
	}
	for _, d := range p.Facts.Drivers {
		if d.ID == r.Driver {
			return d.Closed && len(d.Damage) == 0
		}
	}
	return false
}

// allWhole tells whether every account of the run is.
func (p *Plot) allWhole() bool {
	for _, w := range p.Facts.Workers {
		if !p.whole(w) {
			return false
		}
	}
	for _, r := range p.Facts.Reserves {
		if !p.whole(r.Worker) {
			return false
		}
	}
	return len(p.Facts.Drivers) > 0
}

// anyWorker gives a worker whose ledger is there, by chance.
func (p *Plot) anyWorker() (txn.Worker, bool) {
	var all []txn.Worker
	for _, r := range p.Facts.Reserves {
		if len(p.Ledgers[r.Worker]) > 0 && p.Tables[r.Worker] != nil && p.Marks[r.Worker] != nil {
			all = append(all, r.Worker)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	return all[p.chance.IntN(len(all))], true
}

// unused is a seq past all that the account of a worker covers, whose marker is
// not there.
func (p *Plot) unused(w txn.Worker) txn.ID {
	r, _ := p.Reserve(w)
	id := txn.ID{Run: p.Case.Run, Worker: w, Seq: max(r.Upto, r.Used, txn.Seq(len(p.Ledgers[w]))) + 1 + txn.Seq(p.chance.IntN(1000))}
	for p.there(id) || p.attempts[id] {
		id.Seq++
	}
	p.attempts[id] = true
	return id
}

// strangeMarker promises what must be said of a marker that no account knows:
// while an account is not whole it may be of that.
func (p *Plot) strangeMarker(id txn.ID, whole bool) {
	if whole {
		p.of(compare.AlienRow, id)
		return
	}
	p.strange++
	p.doubt("a marker belongs to no account")
}

func (p *Plot) strangeRow(at place, seq txn.Seq, whole bool) {
	if whole {
		p.ofRow(compare.AlienRow, at, seq)
		return
	}
	p.strangeRows++
	p.doubt("a row belongs to no account")
}

func alienMarker(p *Plot) bool {
	w, ok := p.anyWorker()
	// What an unfinished account may have gone on to do is not known: any row
	// may be of it.
	if !ok || !p.whole(w) && !p.blur(w) {
		return false
	}
	id := p.unused(w)
	p.Marks[w][id.Seq] = txn.Marker{ID: id, Ops: 1}
	p.strangeMarker(id, p.whole(w))
	return true
}

func alienWorker(p *Plot) bool {
	w := txn.Worker(1000 + p.chance.IntN(1000))
	if p.Marks[w] != nil {
		return false
	}
	id := txn.ID{Run: p.Case.Run, Worker: w, Seq: 1 + txn.Seq(p.chance.IntN(1000))}
	p.Marks[w] = map[txn.Seq]txn.Marker{id.Seq: {ID: id, Ops: 1}}
	p.Facts.MarkerWorkers = append(p.Facts.MarkerWorkers, w)
	p.strangeMarker(id, p.allWhole())
	return true
}

// vacant is a row of a worker that no attempt was to write.
func (p *Plot) vacant(w txn.Worker) place {
	at := place{w, 1 << 20}
	for p.rows[at] || p.Tables[w][at.row].ID != 0 {
		at.row += 1 + txn.RowID(p.chance.IntN(1<<16))
	}
	p.rows[at] = true
	return at
}

func alienRow(p *Plot) bool {
	w, ok := p.anyWorker()
	if !ok || p.tables[w] {
		return false
	}
	id, at := p.unused(w), p.vacant(w)
	p.setRow(at, p.base.content(at, plan.Version{Seq: id.Seq, Kind: txn.Insert}))
	p.strangeRow(at, id.Seq, p.whole(w) || p.allWhole())
	return true
}

// foreignRow shows a row under a key that nobody planned, as of an attempt that
// is there.
func foreignRow(p *Plot) bool {
	a := p.find(func(a *attempt, e txn.Entry) bool {
		return p.there(a.ID) && !p.tables[a.Worker] && p.Tables[a.Worker] != nil
	})
	if a == nil {
		return false
	}
	p.attempts[a.ID] = true
	at := p.vacant(a.Worker)
	p.setRow(at, p.base.content(at, plan.Version{Seq: a.Seq, Kind: txn.Insert}))
	p.ofRow(compare.AlienRow, at, a.Seq)
	return true
}

func laterRow(p *Plot) bool {
	var later *attempt
	at, _, ok := p.findRow(func(at place, alive []plan.Version) bool {
		if !last(alive).There() {
			return false
		}
		later = p.find(func(a *attempt, e txn.Entry) bool {
			return a.Worker == at.worker && a.Seq > last(alive).Seq && p.there(a.ID) &&
				!slices.ContainsFunc(a.ops, func(op txn.Op) bool { return op.ID == at.row })
		})
		return later != nil
	})
	if !ok {
		return false
	}
	p.rows[at], p.attempts[later.ID] = true, true
	p.setRow(at, p.base.content(at, plan.Version{Seq: later.Seq, Kind: txn.Update}))
	p.ofRow(compare.AlienRow, at, later.Seq)
	return true
}

// alienEnd commits an end transaction that nobody announced: its marker, and one
// row in a worker's table.
func alienEnd(p *Plot) bool {
	w, ok := p.anyWorker()
	id := txn.ID{Run: p.Case.Run, Worker: txn.SentinelWorker, Seq: 1000 + txn.Seq(p.chance.IntN(1000))}
	if at := (place{w, -txn.RowID(id.Seq)}); ok && p.Marks[id.Worker] != nil && !p.there(id) && !p.rows[at] {
		p.rows[at] = true
		p.Marks[id.Worker][id.Seq] = txn.Marker{ID: id, Ops: 1}
		p.setRow(at, txn.Content{Row: txn.Row{Run: p.Case.Run, ID: at.row, Seq: id.Seq}})
		p.strangeMarker(id, p.allWhole())
		p.strangeRow(at, id.Seq, p.allWhole())
		return true
	}
	return false
}
