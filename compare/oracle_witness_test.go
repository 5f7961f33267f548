package compare_test

import (
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// hear takes the words of the three witnesses on an attempt.
func (o *oracle) hear(d *deed) {
	rows := map[pg.Presence]compare.Word{pg.Present: compare.SaysSurvives, pg.Absent: compare.SaysLost}[d.marker]
	d.log = o.logSays(d)
	client := o.clientSays(d)
	if d.account == compare.Acked || d.account == compare.AckedUnreplicated && o.c.Acks == compare.StrictAcks {
		w := &o.res.Witnesses
		for witness, word := range map[*compare.Witness]compare.Word{&w.Rows: rows, &w.Log: d.log, &w.ClientLSN: client} {
			switch word {
			case compare.SaysSurvives:
				witness.Survives++
			case compare.SaysLost:
				witness.Lost++
			default:
				witness.Silent++
				if d.lost() {
					witness.SilentOfLost++
				}
			}
		}
	}
	words := []compare.Word{rows, d.log, client}
	if slices.Contains(words, compare.SaysSurvives) && slices.Contains(words, compare.SaysLost) {
		o.res.Witnesses.Disagreements++
		o.found(compare.WitnessDisagreement, d.id, 0)
	}
}

// logSays is the word of the log: an attempt survives where any of its positions
// does, and is lost where all are.
func (o *oracle) logSays(d *deed) compare.Word {
	var words []compare.Word
	for _, at := range o.positions(d) {
		words = append(words, o.word(at))
	}
	switch {
	case slices.Contains(words, compare.SaysSurvives):
		return compare.SaysSurvives
	case len(words) == 0 || slices.Contains(words, compare.Silent):
		return compare.Silent
	default:
		return compare.SaysLost
	}
}

// clientSays is the word of what the clients were told, on acked attempts that
// were not captured and lie on another branch than the survivor's.
func (o *oracle) clientSays(d *deed) compare.Word {
	branch, _ := o.from(d)
	if !d.acked() || len(d.commits) > 0 || branch == 0 || branch == o.facts.Survivor.Branch {
		return compare.Silent
	}
	lower, upper := o.bounds(d)
	if lower != 0 && o.survives(branch, lower) == compare.SaysLost {
		return compare.SaysLost
	}
	if upper != 0 && o.survives(branch, upper-1) == compare.SaysSurvives {
		return compare.SaysSurvives
	}
	return compare.Silent
}

// from is the branch and the server process of an attempt's connection.
func (o *oracle) from(d *deed) (pg.BranchID, pg.ProcessStart) {
	r, _ := o.reserve(d.id.Worker)
	driver, _ := o.driver(r.Driver)
	for _, c := range driver.Connections {
		if c.Conn() == d.entry.Conn {
			return o.branchOf(r.Driver, d.entry.Conn), c.Start
		}
	}
	return o.branchOf(r.Driver, d.entry.Conn), 0
}

// bounds are what an acked attempt's commit record lies between: the last LSN
// that its connection was told, and the least that anyone of its driver was told
// by the same server process on the same branch, who sent after the ack.
func (o *oracle) bounds(d *deed) (lower, upper pg.LSN) {
	for _, e := range o.all {
		if e.sent() && e.id.Worker == d.id.Worker && e.id.Seq <= d.id.Seq && e.entry.Conn == d.entry.Conn && e.entry.LSN != 0 {
			lower = e.entry.LSN
		}
	}
	branch, start := o.from(d)
	mine, _ := o.reserve(d.id.Worker)
	for _, e := range o.all {
		theirs, _ := o.reserve(e.id.Worker)
		b, s := o.from(e)
		if !d.acked() || !e.sent() || theirs.Driver != mine.Driver || b == 0 || b != branch || s == 0 || s != start {
			continue
		}
		if e.entry.LSN != 0 && e.entry.Sent > d.entry.End() && (upper == 0 || e.entry.LSN < upper) {
			upper = e.entry.LSN
		}
	}
	return lower, upper
}

// stream finds what is wrong with what the stream showed of an attempt.
func (o *oracle) stream(d *deed) {
	if d.id.Worker < 0 {
		return
	}
	at := o.positions(d)
	c := &o.res.Capture
	for _, p := range at {
		c.Transactions++
		c.Changes += int64(p[0].Seen)
		c.Duplicates += int64(len(p) - 1)
	}
	if len(at) > 0 && d.marker == pg.Absent {
		c.Lost++
		o.found(compare.CapturedLost, d.id, 0)
	}
	if len(at) == 0 && d.marker == pg.Present && d.account != compare.NeverSent && o.heardAll() && !o.early(d) {
		o.found(compare.CaptureGap, d.id, 0)
	}
	if o.disordered(d, at) {
		o.found(compare.CaptureDisorder, d.id, 0)
	}
	if slices.ContainsFunc(d.commits, func(c txn.Commit) bool { return c.Seen < c.Ops }) {
		o.found(compare.CaptureTorn, d.id, 0)
	}
	if o.mismatched(d, at) {
		o.found(compare.CaptureMismatch, d.id, 0)
	}
}

// heardAll tells whether an announced end that is on the survivor came.
func (o *oracle) heardAll() bool {
	c := o.facts.Capture
	for _, k := range o.facts.SentinelKept {
		if c.Heard && c.Complete && slices.ContainsFunc(o.facts.Sentinels, func(s txn.Sentinel) bool { return s.Number == k }) {
			return true
		}
	}
	return false
}

// early tells whether an attempt is known to have ended before capture began.
func (o *oracle) early(d *deed) bool {
	branch, _ := o.from(d)
	start := o.facts.Capture.Start
	_, upper := o.bounds(d)
	if !d.sent() || branch == 0 || branch != start.Branch || upper == 0 || upper > start.LSN {
		return false
	}
	o.res.Capture.Before++
	return true
}

// disordered tells whether an attempt came in the stream before one of its worker
// that was acked before it was sent: before the last such on any branch.
func (o *oracle) disordered(d *deed, at [][]txn.Commit) bool {
	if len(at) != 1 || !d.sent() {
		return false
	}
	m, last := o.at(at[0]), map[pg.BranchID]pg.LSN{}
	for _, n := range o.all {
		if before := o.positions(n); n.id.Worker == d.id.Worker && n.id.Seq < d.id.Seq && n.acked() && len(before) == 1 {
			n := o.at(before[0])
			last[n.Branch] = n.LSN
		}
	}
	for branch, lsn := range last {
		cut, rel := o.shared(m.Branch, branch)
		if rel == pg.Ancestor && m.LSN < cut || m.Branch == branch && m.LSN <= lsn {
			return true
		}
	}
	return false
}

// at is where a record lies: on the survivor's line, if that is known of any of
// its deliveries.
func (o *oracle) at(place []txn.Commit) pg.Position {
	p := pg.Position{Branch: place[0].Branch, LSN: place[0].LSN}
	for _, c := range place {
		if o.survives(c.Branch, c.LSN) != compare.Silent {
			p.Branch = c.Branch
		}
	}
	return pg.Position{Branch: o.owner(p.Branch, p.LSN), LSN: p.LSN}
}

// mismatched tells whether what came contradicts itself, the marker, or what can
// have been.
func (o *oracle) mismatched(d *deed, at [][]txn.Commit) bool {
	for _, c := range d.commits {
		if c.Seen > c.Ops || c.Seen == c.Ops && c.SeenSum != c.Sum {
			return true
		}
		if d.marker == pg.Present && (d.found.Ops != c.Ops || d.found.Sum != c.Sum) {
			return true
		}
		for _, o := range d.commits {
			if o.Branch == c.Branch && o.LSN == c.LSN && o != c {
				return true
			}
		}
	}
	surviving := 0
	for _, p := range at {
		if o.word(p) != compare.SaysLost {
			surviving++
		}
	}
	return len(at) > 1 && (d.acked() || surviving > 1)
}
