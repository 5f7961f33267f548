package plant

import (
	"math/rand/v2"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Plot is a copy of a base to plant in, with what must be found in it.
type Plot struct {
	*Evidence
	base   *Base
	chance *rand.Rand

	// want are the findings of single attempts and rows: those of the base and
	// of what was planted, but for those that were undone. Holes and
	// contradictions are not among them; see across.
	want map[Key]int
	// sure are findings that a planter promised of those that are.
	sure map[Key]bool
	// besideMarker are the mismatches that only the survivor's marker shows.
	besideMarker map[Key]bool
	// attempts, rows and tables are claimed.
	attempts map[txn.ID]bool
	rows     map[place]bool
	tables   map[txn.Worker]bool
	// vague are the claimed tables of which nothing can be found any more.
	vague map[txn.Worker]bool
	// strange counts the markers and rows that a missing or unfinished account
	// may explain.
	strange, strangeRows int64
	// repeats counts the commits that are in the stream once more, less those
	// of the base that were taken out.
	repeats int64
	// doubts are what keeps the run from being met, beyond its findings.
	doubts []string
	// stopped says that judging cannot come to its end.
	stopped bool
	// moved says that a fork was moved; a second move might undo the first.
	moved bool
	// slotted says that something was said of the run's slot.
	slotted bool
	planted []*Planter
	faults  []string

	// bounds, firsts and shown are made of the evidence when all is planted.
	bounds map[lineKey]*told
	firsts map[pg.BranchID]ack
	shown  map[txn.ID][]txn.Commit
}

// Plot makes a copy to plant in, whose chance comes from the seed.
func (b *Base) Plot(seed uint64) *Plot {
	p := &Plot{
		Evidence: b.clone(), base: b, chance: rand.New(rand.NewPCG(seed, 0x70677270)),
		want: map[Key]int{}, sure: map[Key]bool{}, besideMarker: map[Key]bool{},
		attempts: map[txn.ID]bool{}, rows: map[place]bool{}, tables: map[txn.Worker]bool{},
		vague:   map[txn.Worker]bool{},
		strange: b.Result.Unattributed, strangeRows: b.Result.UnattributedRows,
	}
	for key, n := range b.found {
		if !acrossAll(key.Class) {
			p.want[key] = n
		}
	}
	if b.Result.Verdict == compare.Inconclusive {
		p.doubts = append(p.doubts, "the run was not proven as it was")
	}
	return p
}

// Planters are those that planted here, in their order.
func (p *Plot) Planters() []*Planter { return p.planted }

// Chance is where all chance of the plot comes from.
func (p *Plot) Chance() *rand.Rand { return p.chance }

// Fault says that what a planter used went wrong by itself: the plot's outcome is
// wrong then, whatever the judge says.
func (p *Plot) Fault(what string) { p.faults = append(p.faults, what) }

// Slot says what became of the run's slot, and asks that it survived; false where
// that was said before.
func (p *Plot) Slot(f compare.SlotFacts) bool {
	if p.slotted {
		return false
	}
	p.slotted, p.Facts.Slot, p.Case.Limits.CDC = true, f, new(int64)
	return true
}

// promise notes a finding that must follow.
func (p *Plot) promise(k Key) { p.want[k]++ }

// of notes a finding of a whole attempt that must follow.
func (p *Plot) of(class compare.Class, id txn.ID) {
	p.promise(Key{Class: class, Worker: id.Worker, Seq: id.Seq})
}

// ofRow notes a finding of a row that must follow.
func (p *Plot) ofRow(class compare.Class, at place, seq txn.Seq) {
	p.promise(Key{Class: class, Worker: at.worker, Seq: seq, Row: at.row})
}

// certain notes a finding that hangs on others, and must follow all the same.
func (p *Plot) certain(class compare.Class, id txn.ID) {
	p.sure[Key{Class: class, Worker: id.Worker, Seq: id.Seq}] = true
}

// undo takes a finding of an attempt back.
func (p *Plot) undo(class compare.Class, id txn.ID) {
	delete(p.want, Key{Class: class, Worker: id.Worker, Seq: id.Seq})
}

func (p *Plot) doubt(why string) { p.doubts = append(p.doubts, why) }

// entry is the entry of an attempt as it is in the plot; false where the ledger
// has none.
func (p *Plot) entry(id txn.ID) (txn.Entry, bool) {
	ledger := p.Ledgers[id.Worker]
	if id.Seq < 1 || int(id.Seq) > len(ledger) {
		return txn.Entry{}, false
	}
	return ledger[id.Seq-1], true
}

// find gives an attempt that nobody claimed, of which nothing was found, and
// that fits, by chance; nil if there is none.
func (p *Plot) find(fits func(*attempt, txn.Entry) bool) *attempt {
	return p.search(func(a *attempt, e txn.Entry) bool { return !p.base.marked[a.ID] && fits(a, e) })
}

// search is find for attempts of which something was found as well.
func (p *Plot) search(fits func(*attempt, txn.Entry) bool) *attempt {
	n := len(p.base.all)
	if n == 0 {
		return nil
	}
	from := p.chance.IntN(n)
	for i := range n {
		a := p.base.all[(from+i)%n]
		e, known := p.entry(a.ID)
		if known && !p.attempts[a.ID] && fits(a, e) {
			return a
		}
	}
	return nil
}

// findRow gives a row that nobody claimed, of which nothing was found, and that
// fits, by chance. Alive are its versions whose attempts are on the survivor.
func (p *Plot) findRow(fits func(at place, alive []plan.Version) bool) (place, []plan.Version, bool) {
	n := len(p.base.places)
	if n == 0 {
		return place{}, nil, false
	}
	from := p.chance.IntN(n)
	for i := range n {
		at := p.base.places[(from+i)%n]
		if !p.free(at) {
			continue
		}
		if alive := p.alive(at); fits(at, alive) {
			return at, alive, true
		}
	}
	return place{}, nil, false
}

// free tells whether a row may be altered.
func (p *Plot) free(at place) bool {
	return !p.rows[at] && !p.tables[at.worker] && !p.base.markedRows[at]
}

// freeRows tells whether all rows of an attempt may be altered.
func (p *Plot) freeRows(a *attempt) bool {
	for _, op := range a.ops {
		if !p.free(place{a.Worker, op.ID}) {
			return false
		}
	}
	return true
}

// claim takes an attempt and all its rows.
func (p *Plot) claim(a *attempt) {
	p.attempts[a.ID] = true
	for _, op := range a.ops {
		p.rows[place{a.Worker, op.ID}] = true
	}
}

// claimTable takes all rows of a worker; false if any is claimed.
func (p *Plot) claimTable(w txn.Worker) bool {
	if p.tables[w] {
		return false
	}
	for at := range p.rows {
		if at.worker == w {
			return false
		}
	}
	p.tables[w] = true
	return true
}

// blur takes all rows of a worker because any of them may be of a transaction
// that has no entry; false if anything else was done to one of them.
func (p *Plot) blur(w txn.Worker) bool {
	p.vague[w] = p.vague[w] || p.claimTable(w)
	return p.vague[w]
}

// alive lists the versions of a row whose attempts are on the survivor.
func (p *Plot) alive(at place) []plan.Version {
	var all []plan.Version
	for _, v := range p.base.versions[at] {
		if _, there := p.Marks[at.worker][v.Seq]; there {
			all = append(all, v)
		}
	}
	return all
}

// last is the newest version, zero if there is none.
func last(alive []plan.Version) plan.Version {
	if len(alive) == 0 {
		return plan.Version{}
	}
	return alive[len(alive)-1]
}

// regrow makes the rows of an attempt what the markers say they are.
func (p *Plot) regrow(a *attempt) {
	for _, op := range a.ops {
		at := place{a.Worker, op.ID}
		if v := last(p.alive(at)); v.There() {
			p.Tables[at.worker][at.row] = p.base.content(at, v)
		} else {
			delete(p.Tables[at.worker], at.row)
		}
	}
}

// mark puts the marker of an attempt on the survivor.
func (p *Plot) mark(a *attempt) {
	p.Marks[a.Worker][a.Seq] = txn.Marker{ID: a.ID, Ops: int32(len(a.ops)), Sum: p.base.sum(a)}
}

// unmark takes it away.
func (p *Plot) unmark(a *attempt) { delete(p.Marks[a.Worker], a.Seq) }

// show gathers what the stream showed, by attempt.
func (p *Plot) show() {
	p.shown = map[txn.ID][]txn.Commit{}
	for _, commits := range p.Stream {
		for _, c := range commits {
			p.shown[c.ID] = append(p.shown[c.ID], c)
		}
	}
}

// edit alters the commits that the stream showed of an attempt.
func (p *Plot) edit(id txn.ID, alter func(*txn.Commit)) {
	commits := p.Stream[id.Worker]
	for i := range commits {
		if commits[i].Seq == id.Seq {
			alter(&commits[i])
		}
	}
}
