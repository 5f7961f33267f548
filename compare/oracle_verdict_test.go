package compare_test

import (
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// promised tells whether an attempt counts for the RPO.
func (o *oracle) promised(d *deed) bool {
	return d.account == compare.Acked || d.account == compare.AckedUnreplicated && o.c.Acks == compare.StrictAcks
}

// loss sums what was lost.
func (o *oracle) loss() {
	r := &o.res.RPO
	for _, d := range o.all {
		if !d.lost() {
			continue
		}
		ops := compare.Ops{}
		for _, op := range d.ops {
			switch op.Kind {
			case txn.Insert:
				ops.Inserts++
			case txn.Update:
				ops.Updates++
			default:
				ops.Deletes++
			}
			if op.Kind != txn.Delete {
				ops.PayloadBytes += int64(o.c.Mix.PayloadBytes)
			}
		}
		if d.account == compare.AckedUnreplicated {
			r.Unreplicated++
			add(&r.UnreplicatedOps, ops)
		}
		if o.promised(d) {
			r.Transactions++
			add(&r.Ops, ops)
		}
	}
}

func add(sum *compare.Ops, ops compare.Ops) {
	sum.Inserts += ops.Inserts
	sum.Updates += ops.Updates
	sum.Deletes += ops.Deletes
	sum.PayloadBytes += ops.PayloadBytes
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// wal bounds how far the log of the lost transactions reached past their forks.
func (o *oracle) wal() (low, high int64, bounded, known bool) {
	type reach struct{ least, most pg.LSN }
	forks := map[pg.BranchID]*reach{}
	bounded, known = true, true
	upto := func(branch pg.BranchID, lower, upper pg.LSN) {
		if forks[branch] == nil {
			forks[branch] = &reach{}
		}
		f := forks[branch]
		f.least, f.most = max(f.least, lower), max(f.most, upper)
		bounded = bounded && upper != 0
	}
	for _, d := range o.all {
		if !d.lost() || !o.promised(d) {
			continue
		}
		for _, at := range o.positions(d) {
			upto(o.at(at).Branch, at[0].End, at[0].End)
		}
		if len(d.commits) == 0 {
			branch, _ := o.from(d)
			lower, upper := o.bounds(d)
			upto(branch, lower, upper)
		}
	}
	for branch, r := range forks {
		fork, ok := o.fork(branch)
		if !ok {
			known = false
			continue
		}
		low += max(0, int64(r.least)-int64(fork))
		high += max(0, int64(r.most)-int64(fork))
	}
	return low, high, bounded && known, known
}

// whatIsMissing notes all that keeps the run from being met.
func (o *oracle) whatIsMissing() {
	lack := func(is bool, what string) {
		if is {
			o.missing = append(o.missing, what)
		}
	}
	f, r := o.facts, &o.res
	lack(len(f.Problems) > 0, "problems")
	lack(!f.Survivor.Proven, "survivor")
	lack(r.Attempts.Acked == 0, "no ack")
	if n := len(r.RTO.Outages); n > 0 {
		lack(r.RTO.Outages[n-1].Open, "no return")
	}
	lack(o.c.Expect == compare.ExpectNone && r.FaultsSeen > 0, "a fault")
	for _, d := range f.Drivers {
		for _, c := range d.Connections {
			lack(o.c.Expect == compare.ExpectNone && (c.Start == 0 || o.branchOf(d.ID, c.Conn()) == 0), "a connection to anything")
		}
	}
	lack(o.c.Expect == compare.ExpectNone && o.unrecorded(), "no record of a connection")
	lack(o.c.Expect == compare.ExpectFault && r.FaultsSeen == 0, "no fault")
	lack(o.c.Expect == compare.ExpectFault && r.FaultsSeen == 1 && o.unmet(), "no return")
	lack(!o.complete(), "accounts")
	for _, re := range f.Reserves {
		n := txn.Seq(len(o.ev.entries[re.Worker]))
		lack(n > o.covered(re.Worker), "more entries than reserved")
		lack(n < o.covered(re.Worker) && re.Closed, "fewer entries than used")
	}
	lack(r.Attempts.AccountLost > 0, "account lost")
	lack(r.Unattributed > 0 || r.UnattributedRows > 0, "unattributed")
	lack(f.Survivor.Proven && !f.Survivor.TablesAbsent && f.TableWorkers == nil, "tables")
	for _, d := range o.all {
		lack(d.sent() && d.marker == pg.NotLooked, "not looked")
		lack(d.sent() && d.marker == pg.Present && int(d.found.Ops) != len(d.ops), "marker and plan")
	}
}

// unrecorded tells whether any attempt went by a connection of which there is no
// record.
func (o *oracle) unrecorded() bool {
	return slices.ContainsFunc(o.all, func(d *deed) bool {
		r, _ := o.reserve(d.id.Worker)
		driver, _ := o.driver(r.Driver)
		recorded := slices.ContainsFunc(driver.Connections, func(c txn.Connection) bool { return c.Conn() == d.entry.Conn })
		return d.sent() && d.entry.Conn != 0 && !recorded
	})
}

// objectives weighs what was measured.
func (o *oracle) objectives() {
	r, l := &o.res, o.c.Limits
	spanLow, spanHigh, spanned := o.span()
	r.RPO.Span = spanHigh
	slack, told := o.clocks()
	proven, whole := o.facts.Survivor.Proven, len(o.missing) == 0
	weigh := func(name string, limit *float64, low float64, high float64, heard, bounded bool) {
		v := compare.Inconclusive
		switch {
		case limit == nil:
		case heard && low > *limit:
			v = compare.Breached
		case heard && bounded && high <= *limit && whole:
			v = compare.Met
		}
		r.Objectives = append(r.Objectives, compare.Objective{Name: name, Asked: limit != nil, Verdict: v})
	}
	count := func(n *int64) *float64 {
		if n == nil {
			return nil
		}
		v := float64(*n)
		return &v
	}
	secs := func(d *time.Duration) *float64 {
		if d == nil {
			return nil
		}
		v := d.Seconds()
		return &v
	}
	sum := func(classes ...compare.Class) float64 {
		n := int64(0)
		for _, c := range classes {
			n += r.Counts[c]
		}
		return float64(n)
	}
	none := new(float64)
	transactions := count(l.Transactions)
	if transactions == nil {
		transactions = none
	}
	exact := func(name string, limit *float64, v float64, heard bool) { weigh(name, limit, v, v, heard, true) }
	exact(compare.RPOTransactions, transactions, float64(r.RPO.Transactions), proven)
	exact(compare.RPORows, count(l.Rows), float64(r.RPO.Ops.Inserts+r.RPO.Ops.Updates+r.RPO.Ops.Deletes), proven)
	exact(compare.RPOPayloadBytes, count(l.PayloadBytes), float64(r.RPO.Ops.PayloadBytes), proven)
	low, high, bounded, known := o.wal()
	weigh(compare.RPOWALBytes, count(l.WALBytes), float64(low), float64(high), proven && known, bounded)
	if r.RPO.Transactions > 0 {
		weigh(compare.RPOSeconds, secs(l.Span), max(0, spanLow-slack).Seconds(), (spanHigh + slack).Seconds(), proven && told, spanned)
	} else {
		exact(compare.RPOSeconds, secs(l.Span), 0, proven)
	}
	steady := r.Attempts.Acked+r.Attempts.Unreplicated > 0 && !o.stalled()
	away := func(name string, limit *time.Duration, longest, unasked, slack time.Duration, told bool) {
		least, most := max(0, longest-slack), longest+slack
		if longest == 0 {
			least, most = 0, 0
		}
		bounded := limit != nil && (unasked == 0 || unasked+slack <= *limit) && (longest > 0 || *limit >= slack+10*time.Millisecond)
		weigh(name, secs(limit), least.Seconds(), most.Seconds(), steady && told, bounded)
	}
	away(compare.RTOGlobal, l.RTOGlobal, r.RTO.Global, o.unasked.all, slack, told)
	away(compare.RTOWorkerMax, l.RTOWorkerMax, r.RTO.WorkerMax, o.unasked.worker, 0, true)
	stream, heard := 0.0, proven && o.heardAll()
	if heard {
		stream = sum(compare.CaptureGap, compare.CaptureDisorder, compare.CaptureTorn, compare.CaptureMismatch)
	}
	if o.facts.Slot.Fate == compare.SlotBroken {
		stream, heard = stream+1, proven
	}
	weigh(compare.CDC, count(l.CDC), stream, stream, heard, o.heardAll() && o.facts.Slot.Fate != compare.SlotUnproven)
	weigh(compare.Diverged, count(l.Diverged), sum(compare.CapturedLost), sum(compare.CapturedLost), proven, o.heardAll())
	// Two servers that take writes at a time break it, whoever survived.
	broken := sum(compare.Hole, compare.PhantomTransaction, compare.AlienRow, compare.WitnessDisagreement, compare.SplitBrain,
		compare.TornTransaction, compare.StaleRow, compare.MissingRow, compare.ResurrectedRow, compare.CorruptRow)
	exact(compare.Integrity, none, broken, proven || broken > 0)
	r.Verdict = compare.Met
	for _, v := range []compare.Verdict{compare.Inconclusive, compare.Breached} {
		if slices.ContainsFunc(r.Objectives, func(b compare.Objective) bool { return b.Asked && b.Verdict == v }) {
			r.Verdict = v
		}
	}
}

// stalled tells whether a driver itself stalled during an outage.
func (o *oracle) stalled() bool {
	for _, d := range o.facts.Drivers {
		for _, s := range d.Stalls {
			for _, u := range o.res.RTO.Outages {
				if o.zero(d).Add(s.From).Before(u.To) && u.From.Before(o.zero(d).Add(s.To)) {
					return true
				}
			}
		}
	}
	return false
}
