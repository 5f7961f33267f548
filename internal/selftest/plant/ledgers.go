package plant

import (
	"errors"
	"maps"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func ledgerPlanters() []*Planter {
	return []*Planter{
		{
			Name: "ack turned into a rollback at the end of a ledger", Reach: Local,
			Classes: []compare.Class{compare.PhantomTransaction}, plant: turnFailed,
		},
		{Name: "ack turned into doubt at the end of a ledger", Reach: Local, plant: turnInDoubt},
		{Name: "transaction in doubt, and taken away", Reach: Local, plant: doubtAndTake},
		{Name: "transaction in doubt, taken away and not settled", Reach: Local, plant: leaveUnresolved},
		{
			Name: "ack of the old primary after the new one took over", Reach: Local,
			Classes: []compare.Class{compare.SplitBrain, compare.LostTransaction}, plant: splitBrain,
		},
	}
}

// turn gives the last entry of a worker another outcome. No later attempt was
// planned by it.
func (p *Plot) turn(alter func(*txn.Entry)) *attempt {
	a := p.find(func(a *attempt, e txn.Entry) bool {
		return int(a.Seq) == len(p.Ledgers[a.Worker]) && p.keptWhole(a, e) && p.whole(a.Worker)
	})
	if a != nil {
		p.claim(a)
		e := &p.Ledgers[a.Worker][a.Seq-1]
		e.Fault = txn.OtherFault
		alter(e)
	}
	return a
}

func turnFailed(p *Plot) bool {
	a := p.turn(func(e *txn.Entry) { e.Outcome, e.State = txn.Failed, txn.StateOf("40001") })
	if a == nil {
		return false
	}
	p.of(compare.PhantomTransaction, a.ID)
	return true
}

func (p *Plot) turnDoubtful() *attempt {
	return p.turn(func(e *txn.Entry) { e.Outcome, e.Phase = txn.InDoubt, txn.Sent })
}

// turnInDoubt plants nothing to find: what is in doubt and there was committed.
func turnInDoubt(p *Plot) bool { return p.turnDoubtful() != nil }

func doubtAndTake(p *Plot) bool {
	a := p.turnDoubtful()
	if a == nil {
		return false
	}
	p.unmark(a)
	p.regrow(a)
	if p.commitsOf(a.ID) > 0 {
		p.of(compare.CapturedLost, a.ID)
	}
	return true
}

// leaveUnresolved plants nothing to find either: both what was there before and
// what the attempt would have made of it are right, and nothing is proven.
func leaveUnresolved(p *Plot) bool {
	a := p.turnDoubtful()
	if a == nil {
		return false
	}
	p.unmark(a)
	if p.chance.IntN(2) == 0 {
		p.regrow(a)
	}
	if p.Facts.Unresolved == nil {
		p.Facts.Unresolved = map[txn.ID]string{}
	}
	p.Facts.Unresolved[a.ID] = "planted: it was not settled"
	p.doubt("an attempt is in doubt")
	return true
}

// splitBrain lets an attempt that was sent after the takeover be acked on a
// connection to the server that was taken over from.
func splitBrain(p *Plot) bool {
	first, from := p.firstAck(p.Facts.Survivor.Branch)
	b, _ := p.Facts.Branches.Of(p.Facts.Survivor.Branch)
	if first == (txn.ID{}) || b.Parent == 0 || b.Unclear {
		return false
	}
	var old txn.Conn
	a := p.find(func(a *attempt, e txn.Entry) bool {
		r, _ := p.Reserve(a.Worker)
		fr, _ := p.Reserve(first.Worker)
		if a.ID == first || r.Driver != fr.Driver || e.Outcome != txn.Acked || e.Sent <= from.End() || !p.keptWhole(a, e) {
			return false
		}
		for _, before := range p.Ledgers[a.Worker][:a.Seq-1] {
			if before.Outcome.IsAck() && p.branchOf(r.Driver, before.Conn) == b.Parent {
				old = before.Conn
			}
		}
		return old != 0
	})
	if a == nil {
		return false
	}
	p.attempts[first] = true
	p.Ledgers[a.Worker][a.Seq-1].Conn = old
	p.forget(a.ID)
	p.take(a)
	p.regrow(a)
	p.certain(compare.SplitBrain, a.ID)
	return true
}

// firstAck is the ack on a branch that was there first, by the clock of one
// driver.
func (p *Plot) firstAck(branch pg.BranchID) (id txn.ID, entry txn.Entry) {
	for _, w := range slices.Sorted(maps.Keys(p.Ledgers)) {
		r, _ := p.Reserve(w)
		for i, e := range p.Ledgers[w] {
			if e.Outcome.IsAck() && p.branchOf(r.Driver, e.Conn) == branch && (id == (txn.ID{}) || e.End() < entry.End()) {
				id, entry = txn.ID{Run: p.Case.Run, Worker: w, Seq: txn.Seq(i + 1)}, e
			}
		}
	}
	return id, entry
}

var errTorn = errors.New("planted: the ledger cannot be read from here on")

func accountPlanters() []*Planter {
	return []*Planter{
		{Name: "tails of the ledgers cut", Reach: Account, plant: cutTails},
		{Name: "ledger that cannot be read to its end", Reach: Whole, plant: breakLedger},
		{Name: "account of a worker missing", Reach: Account, plant: loseAccount},
		{Name: "account with a damaged frame", Reach: Account, plant: damageAccount},
		{Name: "table of a worker dropped", Reach: Account, Classes: []compare.Class{compare.MissingRow}, plant: dropTable},
	}
}

// cutTails loses the end of the accounts of one driver.
func cutTails(p *Plot) bool {
	if len(p.Facts.Drivers) == 0 {
		return false
	}
	d := p.Facts.Drivers[p.chance.IntN(len(p.Facts.Drivers))]
	keep := map[txn.Worker]int{}
	for _, r := range p.Facts.Reserves {
		if n := len(p.Ledgers[r.Worker]); r.Driver == d.ID && n > 0 {
			keep[r.Worker] = n - p.chance.IntN(min(n, 5))
		}
	}
	if !p.Shorten(keep) {
		return false
	}
	p.Unclose(d.ID)
	return true
}

// Shorten leaves of each worker's ledger only so many entries as keep says, all
// of them where it says nothing. It is false where more than kept transactions
// would be cut off, or where something else was planted in them.
//
// What is cut off turned out committed, where it is there, and may be of any
// row.
func (p *Plot) Shorten(keep map[txn.Worker]int) bool {
	for w, n := range keep {
		if n < len(p.Ledgers[w]) && !p.mayCut(w, n) {
			return false
		}
	}
	for w, n := range keep {
		if n >= len(p.Ledgers[w]) {
			continue
		}
		p.blur(w)
		for i := n; i < len(p.Ledgers[w]); i++ {
			p.attempts[txn.ID{Run: p.Case.Run, Worker: w, Seq: txn.Seq(i + 1)}] = true
		}
		p.Ledgers[w] = p.Ledgers[w][:n]
	}
	return true
}

// Unclose takes the closed record of a driver's account away.
func (p *Plot) Unclose(d txn.Driver) {
	for i := range p.Facts.Drivers {
		if p.Facts.Drivers[i].ID == d {
			p.Facts.Drivers[i].Closed = false
		}
	}
	for i := range p.Facts.Reserves {
		if r := &p.Facts.Reserves[i]; r.Driver == d {
			r.Closed, r.Used = false, 0
		}
	}
	p.doubt("an account has no end")
}

// mayCut tells whether the entries of a worker past the first n are of kept
// transactions in which nothing was planted.
func (p *Plot) mayCut(w txn.Worker, n int) bool {
	for at := range p.rows {
		if at.worker == w {
			return false
		}
	}
	if p.tables[w] && !p.vague[w] {
		return false
	}
	for at := range p.base.markedRows {
		if at.worker == w {
			return false
		}
	}
	for i := n; i < len(p.Ledgers[w]); i++ {
		id := txn.ID{Run: p.Case.Run, Worker: w, Seq: txn.Seq(i + 1)}
		gap := p.want[Key{Class: compare.CaptureGap, Worker: w, Seq: id.Seq}] > 0
		if p.attempts[id] || p.base.marked[id] && !gap || !p.there(id) || !p.Ledgers[w][i].Outcome.IsAck() {
			return false
		}
	}
	return true
}

// breakLedger ends a ledger with an error: judging stops before anything is
// found.
func breakLedger(p *Plot) bool {
	w, ok := p.anyWorker()
	if !ok {
		return false
	}
	p.Break(w, p.chance.IntN(len(p.Ledgers[w])))
	return true
}

// Break ends the ledger of a worker after so many entries with an error, as a
// ledger ends in which entries are missing.
func (p *Plot) Break(w txn.Worker, after int) {
	p.Ledgers[w] = p.Ledgers[w][:after]
	p.Broken[w] = errTorn
	p.stopped = true
}

// loseAccount takes the account of a worker away: nothing is known of what is
// there of it.
func loseAccount(p *Plot) bool {
	w, ok := p.anyWorker()
	for id := range p.attempts {
		ok = ok && id.Worker != w
	}
	if !ok || p.Broken[w] != nil || len(p.Facts.Reserves) < 2 || !slices.Contains(p.Facts.Workers, w) || !p.claimTable(w) {
		return false
	}
	delete(p.Ledgers, w)
	p.Facts.Reserves = slices.DeleteFunc(p.Facts.Reserves, func(r txn.Reserve) bool { return r.Worker == w })
	for key := range p.want {
		// Rows and stream go on to contradict each other without it.
		if key.Worker == w && key.Class != compare.CapturedLost && key.Class != compare.CaptureMismatch && key.Class != compare.CaptureTorn {
			delete(p.want, key)
		}
	}
	p.strange += int64(len(p.Marks[w]))
	for id := range p.Tables[w] {
		if id >= 0 {
			p.strangeRows++
		}
	}
	p.doubt("the account of a worker is missing")
	return true
}

// damageAccount says of a journal that a part of it could not be read.
func damageAccount(p *Plot) bool {
	if len(p.Facts.Drivers) == 0 {
		return false
	}
	p.Damage(p.Facts.Drivers[p.chance.IntN(len(p.Facts.Drivers))].ID, "planted: a frame is damaged")
	return true
}

// Damage says what could not be read of a driver's journal.
func (p *Plot) Damage(d txn.Driver, what ...string) {
	for i := range p.Facts.Drivers {
		if driver := &p.Facts.Drivers[i]; driver.ID == d {
			driver.Damage = append(slices.Clone(driver.Damage), what...)
		}
	}
	p.doubt("an account is damaged")
}

// dropTable takes a worker's whole table away.
func dropTable(p *Plot) bool {
	w, ok := p.anyWorker()
	if !ok || !p.Facts.Survivor.Proven || !p.claimTable(w) {
		return false
	}
	for _, at := range p.base.places {
		if v := last(p.alive(at)); at.worker == w && v.There() {
			p.ofRow(compare.MissingRow, at, v.Seq)
		}
	}
	delete(p.Tables, w)
	p.Facts.TableWorkers = slices.DeleteFunc(p.Facts.TableWorkers, func(t txn.Worker) bool { return t == w })
	return true
}
