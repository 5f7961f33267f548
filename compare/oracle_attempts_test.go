package compare_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// oracle judges by the words of the definitions, over all that is known at once
// and with no care for speed. It shares no code with the judge but the plan, by
// which the writers send.
type oracle struct {
	c     compare.Case
	ev    *evidence
	facts compare.Facts
	all   []*deed
	names []string // findings: class and id, and the row
	res   compare.Result
	// missing says that the evidence as a whole does not prove the run.
	missing []string
	// unasked is the longest time without an ack in which nothing was asked.
	unasked struct{ all, worker time.Duration }
}

// deed is one attempt, as all sides saw it.
type deed struct {
	id      txn.ID
	account compare.Account
	entry   txn.Entry
	ops     []txn.Op
	marker  pg.Presence
	found   txn.Marker
	commits []txn.Commit
	// ended is when its outcome was known, by the wall clock.
	ended time.Time
	log   compare.Word
}

func (d *deed) sent() bool  { return d.account <= compare.Failed }
func (d *deed) acked() bool { return d.sent() && d.entry.Outcome.IsAck() }

func (d *deed) lost() bool { return d.acked() && d.marker == pg.Absent }

// kept tells whether it is there, and may be.
func (d *deed) kept() bool {
	return d.marker == pg.Present && (d.acked() || d.account == compare.InDoubt || d.account == compare.NoEntry)
}

// consult judges by the definitions.
func consult(c compare.Case, ev *evidence) *oracle {
	o := &oracle{c: c, ev: ev, facts: ev.facts}
	if o.c.OutageThreshold == 0 {
		o.c.OutageThreshold = time.Second
	}
	for _, w := range o.workers() {
		o.account(w)
	}
	for _, d := range o.all {
		o.transaction(d)
	}
	servers := o.servers()
	for _, d := range o.all {
		o.stream(d)
		o.split(d, servers)
	}
	o.rows()
	o.loss()
	o.times()
	o.whatIsMissing()
	o.objectives()
	slices.Sort(o.names)
	return o
}

func (o *oracle) found(class compare.Class, id txn.ID, row txn.RowID) {
	o.names = append(o.names, fmt.Sprintf("%v %d/%d row %d", class, id.Worker, id.Seq, row))
	o.res.Counts[class]++
}

// workers are those of which anything is known.
func (o *oracle) workers() []txn.Worker {
	var all []txn.Worker
	for _, r := range o.facts.Reserves {
		all = append(all, r.Worker)
	}
	all = slices.Concat(all, o.facts.MarkerWorkers, o.facts.CommitWorkers)
	slices.Sort(all)
	return slices.Compact(all)
}

func (o *oracle) driver(id txn.Driver) (compare.Driver, bool) {
	i := slices.IndexFunc(o.facts.Drivers, func(d compare.Driver) bool { return d.ID == id })
	if i < 0 {
		return compare.Driver{}, false
	}
	return o.facts.Drivers[i], true
}

func (o *oracle) reserve(w txn.Worker) (txn.Reserve, bool) {
	i := slices.IndexFunc(o.facts.Reserves, func(r txn.Reserve) bool { return r.Worker == w })
	if i < 0 {
		return txn.Reserve{}, false
	}
	return o.facts.Reserves[i], true
}

// covered is the last seq that the worker's account covers.
func (o *oracle) covered(w txn.Worker) txn.Seq {
	r, known := o.reserve(w)
	switch {
	case !known:
		return 0
	case r.Closed:
		return r.Used
	default:
		return r.Upto
	}
}

// whole tells whether the worker's account is closed and undamaged.
func (o *oracle) whole(w txn.Worker) bool {
	r, known := o.reserve(w)
	d, there := o.driver(r.Driver)
	return known && there && r.Closed && d.Closed && len(d.Damage) == 0
}

// complete tells whether no account of the run is missing.
func (o *oracle) complete() bool {
	for _, d := range o.facts.Drivers {
		if !d.Closed || len(d.Damage) > 0 {
			return false
		}
	}
	for _, r := range o.facts.Reserves {
		if !o.whole(r.Worker) {
			return false
		}
	}
	for _, w := range o.facts.Workers {
		if _, known := o.reserve(w); !known {
			return false
		}
	}
	return len(o.facts.Drivers) > 0
}

func (o *oracle) branchOf(d txn.Driver, c txn.Conn) pg.BranchID {
	if o.facts.BranchOf == nil || c == 0 {
		return 0
	}
	return o.facts.BranchOf(d, c)
}

// account gathers a worker's attempts: those with an entry, those that its
// account covers, and those of which there are traces.
func (o *oracle) account(w txn.Worker) {
	deeds := map[txn.Seq]*deed{}
	at := func(seq txn.Seq) *deed {
		if deeds[seq] == nil {
			deeds[seq] = &deed{id: txn.ID{Run: o.c.Run, Worker: w, Seq: seq}, account: compare.NeverSent}
		}
		return deeds[seq]
	}
	r, known := o.reserve(w)
	if known {
		driver, _ := o.driver(r.Driver)
		view := plan.New(o.c.Mix, o.c.Seed, o.c.Run, w)
		for i, e := range o.ev.entries[w] {
			a, d := view.Next(), at(txn.Seq(i+1))
			d.account, d.entry, d.ops = compare.Account(e.Outcome), e, slices.Clone(a.Ops)
			d.ended = o.zero(driver).Add(e.End())
			view.Settle(e)
		}
		for seq := txn.Seq(len(o.ev.entries[w]) + 1); seq <= o.covered(w); seq++ {
			at(seq).account = compare.NoEntry
		}
	}
	if o.facts.Survivor.Proven && !o.facts.Survivor.TablesAbsent {
		for _, m := range o.ev.markers[w] {
			d := at(m.Seq)
			d.marker, d.found = pg.Present, m
		}
	}
	for _, c := range o.ev.commits[w] {
		d := at(c.Seq)
		d.commits = append(d.commits, c)
	}
	for _, d := range deeds {
		_, open := o.facts.Unresolved[d.id]
		if d.marker != pg.Present && o.facts.Survivor.Proven && !open {
			d.marker = pg.Absent
		}
		o.all = append(o.all, d)
	}
	slices.SortFunc(o.all, func(a, b *deed) int {
		if a.id.Worker != b.id.Worker {
			return int(a.id.Worker - b.id.Worker)
		}
		return int(a.id.Seq - b.id.Seq)
	})
}

// announced tells whether it is an end transaction that was announced.
func (o *oracle) announced(id txn.ID) bool {
	return id.Worker == txn.SentinelWorker && slices.ContainsFunc(o.facts.Sentinels, func(s txn.Sentinel) bool { return txn.Seq(s.Number) == id.Seq })
}

// transaction finds the classes that marker and account tell, and counts.
func (o *oracle) transaction(d *deed) {
	if o.announced(d.id) {
		return
	}
	o.count(d)
	o.hear(d)
	switch {
	case d.lost() && d.account == compare.Acked:
		o.found(compare.LostTransaction, d.id, 0)
	case d.lost():
		o.found(compare.LostUnreplicated, d.id, 0)
	case d.account == compare.Failed && d.marker == pg.Present:
		o.found(compare.PhantomTransaction, d.id, 0)
	case d.account == compare.NeverSent && d.marker == pg.Present:
		if o.whole(d.id.Worker) || o.complete() || d.id.Seq < 1 {
			o.found(compare.AlienRow, d.id, 0)
		} else {
			o.res.Unattributed++
		}
	}
	if o.c.Payload == compare.PayloadFull && d.sent() && d.marker == pg.Present && d.found.Sum != sumOf(o.c, record{id: d.id, ops: d.ops}) {
		o.found(compare.CorruptRow, d.id, 0)
	}
	if d.lost() && (d.log == compare.SaysSurvives || slices.ContainsFunc(o.all, func(later *deed) bool {
		return later.id.Worker == d.id.Worker && later.id.Seq > d.id.Seq && later.sent() && later.kept() &&
			d.entry.Conn != 0 && later.entry.Conn == d.entry.Conn
	})) {
		o.found(compare.Hole, d.id, 0)
	}
}

func (o *oracle) count(d *deed) {
	a := &o.res.Attempts
	switch d.account {
	case compare.Acked:
		a.Acked++
	case compare.AckedUnreplicated:
		if o.c.Acks == compare.StrictAcks {
			a.Acked++
		} else {
			a.Unreplicated++
		}
	case compare.Failed:
		if d.entry.Phase == txn.NotSent {
			a.NotSent++
			return
		}
		a.Failed++
	case compare.InDoubt:
		a.InDoubt.Total++
		switch d.marker {
		case pg.Present:
			a.InDoubt.Committed++
		case pg.Absent:
			a.InDoubt.RolledBack++
		default:
			a.InDoubt.Unresolved++
		}
	case compare.NoEntry:
		if d.marker != pg.Present {
			a.AccountLost++
		}
	}
	if d.sent() {
		a.Sent++
	}
}

// positions are the places at which an attempt was captured, each with all its
// deliveries: one record that was read again, past a fork that is not known, is
// at one place.
func (o *oracle) positions(d *deed) [][]txn.Commit {
	var all [][]txn.Commit
	for _, c := range d.commits {
		at := slices.IndexFunc(all, func(p []txn.Commit) bool {
			return slices.ContainsFunc(p, func(p txn.Commit) bool { return o.same(p, c) })
		})
		if at < 0 {
			all = append(all, []txn.Commit{c})
			continue
		}
		all[at] = append(all[at], c)
	}
	return all
}

func (o *oracle) same(a, b txn.Commit) bool {
	if a.LSN != b.LSN {
		return false
	}
	if a.Branch == b.Branch {
		return true
	}
	_, one := o.shared(a.Branch, b.Branch)
	_, other := o.shared(b.Branch, a.Branch)
	return one == pg.Unknown && other == pg.Unknown && a.End == b.End && a.Xid == b.Xid && a.Ops == b.Ops && a.Sum == b.Sum
}

// word is the word on one place: what is known of any of its deliveries.
func (o *oracle) word(at []txn.Commit) compare.Word {
	for _, c := range at {
		if word := o.survives(c.Branch, c.LSN); word != compare.Silent {
			return word
		}
	}
	return compare.Silent
}
