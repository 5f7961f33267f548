package plant

import (
	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func rowPlanters() []*Planter {
	return []*Planter{
		{Name: "row removed", Reach: Local, Classes: []compare.Class{compare.MissingRow}, plant: removeRow},
		{Name: "row set back to an older version", Reach: Local, Classes: []compare.Class{compare.StaleRow}, plant: setBack},
		{Name: "deleted row brought back", Reach: Local, Classes: []compare.Class{compare.ResurrectedRow}, plant: resurrect},
		{Name: "row with another checksum", Reach: Local, Classes: []compare.Class{compare.CorruptRow}, plant: alterSum},
		{Name: "checksums of two rows swapped in a bucket", Reach: Local, Classes: []compare.Class{compare.CorruptRow}, plant: swapSums},
		{Name: "one bit turned in two checksums of a bucket", Reach: Local, Classes: []compare.Class{compare.CorruptRow}, plant: cancelBits},
		{Name: "payload altered, checksum left", Reach: Local, plant: alterPayload},
		{Name: "row of a transaction that is not there", Reach: Local, Classes: []compare.Class{compare.TornTransaction}, plant: tearRow},
	}
}

// isThere tells whether a row's newest version is a row.
func isThere(_ place, alive []plan.Version) bool { return last(alive).There() }

func (p *Plot) setRow(at place, c txn.Content) { p.Tables[at.worker][at.row] = c }

func removeRow(p *Plot) bool {
	at, alive, ok := p.findRow(isThere)
	if !ok {
		return false
	}
	p.rows[at] = true
	delete(p.Tables[at.worker], at.row)
	p.ofRow(compare.MissingRow, at, last(alive).Seq)
	return true
}

// setBack shows any version but the newest.
func setBack(p *Plot) bool {
	at, alive, ok := p.findRow(func(at place, alive []plan.Version) bool {
		return len(alive) > 1 && isThere(at, alive)
	})
	if !ok {
		return false
	}
	p.rows[at] = true
	p.setRow(at, p.base.content(at, alive[p.chance.IntN(len(alive)-1)]))
	p.ofRow(compare.StaleRow, at, last(alive).Seq)
	return true
}

func resurrect(p *Plot) bool {
	at, alive, ok := p.findRow(func(_ place, alive []plan.Version) bool {
		return len(alive) > 1 && last(alive).Kind == txn.Delete
	})
	if !ok {
		return false
	}
	p.rows[at] = true
	p.setRow(at, p.base.content(at, alive[p.chance.IntN(len(alive)-1)]))
	p.ofRow(compare.ResurrectedRow, at, last(alive).Seq)
	return true
}

func alterSum(p *Plot) bool {
	at, alive, ok := p.findRow(isThere)
	if !ok {
		return false
	}
	p.rows[at] = true
	c := p.Tables[at.worker][at.row]
	c.Sum ^= txn.Sum(1 + p.chance.Int32N(1<<30))
	p.setRow(at, c)
	p.ofRow(compare.CorruptRow, at, last(alive).Seq)
	return true
}

// two gives two rows of one bucket whose checksums differ.
func (p *Plot) two() (a, b place, ok bool) {
	a, _, ok = p.findRow(isThere)
	if !ok {
		return a, b, false
	}
	b, _, ok = p.findRow(func(at place, alive []plan.Version) bool {
		return at != a && at.worker == a.worker && txn.BucketOf(at.row) == txn.BucketOf(a.row) && isThere(at, alive) &&
			p.Tables[at.worker][at.row].Sum != p.Tables[a.worker][a.row].Sum
	})
	return a, b, ok
}

// corruptBoth gives two rows of one bucket other checksums.
func (p *Plot) corruptBoth(alter func(a, b *txn.Content)) bool {
	first, second, ok := p.two()
	if !ok {
		return false
	}
	a, b := p.Tables[first.worker][first.row], p.Tables[second.worker][second.row]
	alter(&a, &b)
	p.setRow(first, a)
	p.setRow(second, b)
	for at, c := range map[place]txn.Content{first: a, second: b} {
		p.rows[at] = true
		p.ofRow(compare.CorruptRow, at, c.Seq)
	}
	return true
}

func swapSums(p *Plot) bool {
	return p.corruptBoth(func(a, b *txn.Content) { a.Sum, b.Sum = b.Sum, a.Sum })
}

// cancelBits turns a bit that two checksums have in both: no xor of them sees it.
func cancelBits(p *Plot) bool {
	bit := txn.Sum(1) << p.chance.IntN(31)
	return p.corruptBoth(func(a, b *txn.Content) { a.Sum, b.Sum = a.Sum^bit, b.Sum^bit })
}

// alterPayload alters what only reading every payload can find.
func alterPayload(p *Plot) bool {
	at, alive, ok := p.findRow(func(at place, alive []plan.Version) bool {
		return isThere(at, alive) && len(p.Tables[at.worker][at.row].Payload) > 0
	})
	if !ok {
		return false
	}
	p.rows[at] = true
	c := p.Tables[at.worker][at.row]
	payload := append([]byte(nil), c.Payload...)
	payload[p.chance.IntN(len(payload))] ^= 1
	c.Payload = payload
	p.setRow(at, c)
	if p.Case.Payload == compare.PayloadFull {
		p.ofRow(compare.CorruptRow, at, last(alive).Seq)
	}
	return true
}

// tearRow shows a row as an attempt would have written it that is not there.
func tearRow(p *Plot) bool {
	var of txn.Seq
	at, _, ok := p.findRow(func(at place, alive []plan.Version) bool {
		for _, v := range p.base.versions[at] {
			id := txn.ID{Run: p.Case.Run, Worker: at.worker, Seq: v.Seq}
			if _, known := p.entry(id); known && v.There() && p.rowsSay(id) == lost && !p.attempts[id] {
				of = v.Seq
				return true
			}
		}
		return false
	})
	if !ok {
		return false
	}
	p.rows[at] = true
	p.attempts[txn.ID{Run: p.Case.Run, Worker: at.worker, Seq: of}] = true
	p.setRow(at, p.base.content(at, plan.Version{Seq: of, Kind: txn.Update}))
	p.ofRow(compare.TornTransaction, at, of)
	return true
}
