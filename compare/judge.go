package compare

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// book is one worker's account.
type book struct {
	worker txn.Worker
	driver txn.Driver
	// zero is the wall-clock time of the zero of the driver's clock, and shared
	// the same by the clock that all drivers are set against.
	zero, shared time.Time
	// known says that anybody accounts for the worker.
	known bool
	// last is the last seq that the account covers: the last used if it was
	// closed, else the last reserved.
	last txn.Seq
	// closed says that it was closed, and whole that it is undamaged too:
	// what a whole account does not know was never sent.
	closed, whole bool
}

// connKey names a connection of the run.
type connKey struct {
	driver txn.Driver
	conn   txn.Conn
}

// judge is one judgement under way.
type judge struct {
	c     Case
	facts Facts
	emit  func(Finding) error
	res   Result

	drivers   map[txn.Driver]Driver
	books     map[txn.Worker]book
	starts    map[connKey]pg.ProcessStart
	bounds    bounds
	reigns    reigns
	contests  map[lineKey]rivals
	splits    map[splitKey]*Split
	clock     *Clock
	aligned   alignment
	lastAck   map[pg.BranchID]time.Time
	forks     map[pg.BranchID]*forkLoss
	spans     map[pg.BranchID]*lostSpan // by the branch that acked
	span      spanMeasure
	announced map[txn.Seq]bool
	restored  map[txn.ID]bool
	gapLines  []GapCount
	spoke     struct{ log, client bool }
	// allWhole says that every account of the run is closed and undamaged.
	allWhole bool
	acks     int64
	misfits  int64
	// unrecorded counts how often a worker went on to a connection of which there
	// is no record.
	unrecorded int64
	// unknown counts the attempts of which it is not known whether they are there.
	unknown int64
	// again counts the captured commits that came on another branch as well.
	again int64
	// doubts are what is wrong with the accounts, in words.
	doubts []string
	// payload is where a row's payload is made again.
	payload []byte
}

// Judge judges a run and hands each finding to emit, as it is found. It walks
// each worker's ledger twice: once for the clock and the bounds of LSNs, and
// once beside markers, commits and the sums of the rows. Where those differ, or
// every payload is to be read, it walks it a third time beside the rows.
//
// An error of a stream or of emit, or evidence that contradicts itself, ends
// the walk. The result then holds what was proven up to there: it is breached
// if a breach was, and inconclusive otherwise, and says so in its reasons.
func Judge(c Case, f Facts, s Streams, emit func(Finding) error) (Result, error) {
	if c.OutageThreshold <= 0 {
		c.OutageThreshold = DefaultOutageThreshold
	}
	j := &judge{
		c: c, facts: f, emit: emit,
		drivers: make(map[txn.Driver]Driver), books: make(map[txn.Worker]book),
		starts: make(map[connKey]pg.ProcessStart),
		reigns: make(reigns), contests: make(map[lineKey]rivals), splits: make(map[splitKey]*Split),
		bounds: make(bounds), aligned: align(f.Drivers),
		lastAck: make(map[pg.BranchID]time.Time), forks: make(map[pg.BranchID]*forkLoss),
		spans:     make(map[pg.BranchID]*lostSpan),
		announced: make(map[txn.Seq]bool), restored: make(map[txn.ID]bool),
	}
	j.clock = NewClock(c.OutageThreshold, c.finest(j.aligned.slack))
	err := j.run(s)
	j.conclude(err)
	return j.res, err
}

// finest is the shortest time without an ack that the limits can tell apart.
// What all workers share is known give or take slack.
func (c Case) finest(slack time.Duration) time.Duration {
	finest := c.OutageThreshold
	if limit := c.Limits.RTOGlobal; limit != nil {
		finest = min(finest, *limit-slack)
	}
	if limit := c.Limits.RTOWorkerMax; limit != nil {
		finest = min(finest, *limit)
	}
	return finest
}

func (j *judge) run(s Streams) error {
	if err := j.c.Mix.Validate(); err != nil {
		return err
	}
	if err := j.open(); err != nil {
		return err
	}
	workers := slices.Sorted(maps.Keys(j.books))
	for _, w := range workers {
		if err := j.survey(s, j.books[w]); err != nil {
			return err
		}
	}
	j.bounds.seal()
	j.findRivals()
	for _, d := range j.facts.Drivers {
		for _, p := range d.Probes {
			j.clock.AddProbe(j.aligned.zero(d), p)
		}
	}
	workers = append(workers, j.strangers()...)
	for _, w := range workers {
		b := j.books[w]
		b.worker = w
		if err := j.walkWorker(s, b); err != nil {
			return err
		}
	}
	if !j.rowsComparable() {
		return nil
	}
	if err := j.strangeRows(s); err != nil {
		return err
	}
	j.res.PayloadChecked = j.c.Payload == PayloadFull
	return nil
}

// open reads what is small, and finds what is wrong with the accounts.
func (j *judge) open() error {
	j.allWhole = len(j.facts.Drivers) > 0
	doubt := func(format string, args ...any) {
		j.allWhole = false
		j.doubts = append(j.doubts, fmt.Sprintf(format, args...))
	}
	if !j.allWhole {
		doubt("there is no account of any process of the run")
	}
	for _, d := range j.facts.Drivers {
		if _, twice := j.drivers[d.ID]; twice {
			return fmt.Errorf("read drivers: driver %d is there twice", d.ID)
		}
		j.drivers[d.ID] = d
		for _, c := range d.Connections {
			j.starts[connKey{d.ID, c.Conn()}] = c.Start
		}
		if !d.Closed {
			doubt("the account of driver %d was not closed: its end may be missing", d.ID)
		}
		for _, damage := range d.Damage {
			doubt("the account of driver %d is damaged: %s", d.ID, damage)
		}
	}
	for _, r := range j.facts.Reserves {
		d, there := j.drivers[r.Driver]
		if _, twice := j.books[r.Worker]; twice {
			return fmt.Errorf("read reserves: worker %d has two accounts", r.Worker)
		}
		if !there {
			doubt("the account of driver %d is missing, of worker %d", r.Driver, r.Worker)
		} else if d.Closed && !r.Closed {
			doubt("the account of worker %d was not closed", r.Worker)
		}
		b := book{worker: r.Worker, driver: r.Driver, zero: d.Started, shared: j.aligned.zero(d), known: true, last: r.Upto}
		if r.Closed {
			b.last, b.closed = r.Used, true
			b.whole = there && d.Closed && len(d.Damage) == 0
		}
		j.books[r.Worker] = b
	}
	for _, w := range j.facts.Workers {
		if _, there := j.books[w]; !there {
			doubt("the account of worker %d is missing", w)
		}
	}
	for _, id := range j.facts.Restored {
		j.restored[id] = true
	}
	for _, s := range j.facts.Sentinels {
		j.announced[txn.Seq(s.Number)] = true
	}
	for _, g := range j.facts.Capture.Gaps {
		b, _ := j.facts.Branches.Of(g.Branch)
		j.gapLines = append(j.gapLines, GapCount{Branch: g.Branch, Timeline: b.Timeline, From: g.From, To: g.To, Reason: g.Reason})
	}
	return nil
}

// strangers are the workers that left traces and have no account.
func (j *judge) strangers() []txn.Worker {
	var found []txn.Worker
	for _, w := range slices.Concat(j.facts.MarkerWorkers, j.facts.CommitWorkers) {
		if _, known := j.books[w]; !known {
			found = append(found, w)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// survey reads a worker's ledger for the clock, the bounds, the last acks, and
// the servers' reigns.
func (j *judge) survey(s Streams, b book) error {
	var n txn.Seq
	var conn txn.Conn
	var branch pg.BranchID
	var start pg.ProcessStart
	var reign *reign
	for e, err := range s.Entries(b.worker) {
		if err != nil {
			return fmt.Errorf("read the ledger of worker %d: %w", b.worker, err)
		}
		if e.Outcome > txn.Failed {
			return fmt.Errorf("read the ledger of worker %d: seq %d has the unknown outcome %d", b.worker, n+1, e.Outcome)
		}
		n++
		if e.Outcome.IsAck() != (e.Fault == txn.NoFault) {
			return fmt.Errorf("read the ledger of worker %d: seq %d is damaged: it is %v with the fault %v", b.worker, n, e.Outcome, e.Fault)
		}
		if e.Conn != conn {
			if _, there := j.starts[connKey{b.driver, e.Conn}]; e.Conn != 0 && !there {
				j.unrecorded++
			}
			conn, branch, start = e.Conn, j.branchOf(b.driver, e.Conn), j.startOf(b.driver, e.Conn)
			reign = nil
		}
		line := lineKey{b.driver, branch, start}
		j.clock.Add(b.worker, b.shared, e)
		j.bounds.add(line, e.Sent, e.LSN)
		if e.Outcome.IsAck() {
			j.acks++
			if reign == nil && branch != 0 {
				reign = j.reigns.of(line)
			}
			if reign != nil {
				reign.ack(&e)
			}
			if at := b.shared.Add(e.End()); at.After(j.lastAck[branch]) {
				j.lastAck[branch] = at
			}
		}
	}
	switch {
	case n > b.last:
		j.doubts = append(j.doubts, fmt.Sprintf("the account of worker %d holds %d attempts, and says that it ends at %d", b.worker, n, b.last))
	case n < b.last && b.closed:
		j.doubts = append(j.doubts, fmt.Sprintf("the account of worker %d ends at seq %d, and may have gone on to %d", b.worker, n, b.last))
	}
	return nil
}

func (j *judge) branchOf(d txn.Driver, c txn.Conn) pg.BranchID {
	if c == 0 || j.facts.BranchOf == nil {
		return 0
	}
	return j.facts.BranchOf(d, c)
}

// startOf is the server process of a driver's connection, 0 where unknown.
func (j *judge) startOf(d txn.Driver, c txn.Conn) pg.ProcessStart {
	return j.starts[connKey{d, c}]
}

// promised tells whether an attempt counts as acked for the RPO.
func (j *judge) promised(s *sight) bool {
	return s.account == Acked || s.account == AckedUnreplicated && j.c.Acks == StrictAcks
}

// find counts a finding, keeps a sample and hands it on.
func (j *judge) find(class Class, s *sight, text string) error {
	return j.report(j.finding(class, s, text))
}

func (j *judge) report(f Finding) error {
	j.res.Counts[f.Class]++
	if len(j.res.Samples[f.Class]) < SampleSize {
		j.res.Samples[f.Class] = append(j.res.Samples[f.Class], f)
	}
	if j.emit == nil {
		return nil
	}
	if err := j.emit(f); err != nil {
		return fmt.Errorf("keep finding %s of %s: %w", f.Class, f.ID, err)
	}
	return nil
}

func (j *judge) finding(class Class, s *sight, text string) Finding {
	f := Finding{
		Class: class, ID: s.id, Account: s.account, Branch: s.branch, Xid: s.entry.Xid,
		Min: s.min, Max: s.max, AckedAt: s.ackedAt, Ops: s.ops, Text: text,
	}
	if len(s.commits) > 0 {
		c := s.commits[0]
		f.Branch, f.LSN, f.Min, f.Max = c.Branch, c.LSN, c.LSN, c.End
		if c.Xid != 0 {
			f.Xid = c.Xid
		}
	}
	if b, ok := j.facts.Branches.Of(f.Branch); ok {
		f.Timeline = b.Timeline
	}
	return f
}
