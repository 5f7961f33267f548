package compare_test

import (
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	testRun = txn.Run(1795194121)
	// fork is where branch 2 left branch 1.
	fork = pg.LSN(0x3000000)
	// before and after are connections: before to the old primary, after to
	// the new one.
	before, after = txn.Conn(1), txn.Conn(2)
)

var (
	testMix   = plan.Mix{Insert: 60, Update: 30, Delete: 10, MaxOps: 4, PayloadBytes: 100}
	testStart = time.Date(2026, 11, 20, 17, 2, 1, 0, time.UTC)
	errBroken = errors.New("the stream broke")
)

// evidence is a run in memory. Its methods plant one attempt at a time.
type evidence struct {
	facts   compare.Facts
	entries map[txn.Worker][]txn.Entry
	markers map[txn.Worker][]txn.Marker
	commits map[txn.Worker][]txn.Commit
	tables  map[txn.Worker]map[txn.RowID]txn.Content
	// broken names a stream that ends with an error after its elements.
	broken string
	views  map[txn.Worker]*plan.View
	sums   map[txn.ID]txn.Sum // what the markers of the attempts promise
	clock  time.Duration
	lsn    pg.LSN
}

// newEvidence is a run with one closed driver, of workers 0 and 1, that saw a
// failover from branch 1 to branch 2, captured to its end, with nothing in it.
func newEvidence() *evidence {
	contact := func(n uint32, tl pg.Timeline, start pg.ProcessStart) txn.Connection {
		return txn.Connection{Contact: pg.Contact{Number: n, At: int64(n), System: 7, Timeline: tl, Start: start}}
	}
	ev := &evidence{
		entries: map[txn.Worker][]txn.Entry{}, markers: map[txn.Worker][]txn.Marker{}, commits: map[txn.Worker][]txn.Commit{},
		views: map[txn.Worker]*plan.View{}, sums: map[txn.ID]txn.Sum{}, lsn: fork - 0x10000,
	}
	ev.facts = compare.Facts{
		Drivers: []compare.Driver{{
			ID: 0, Started: testStart, Closed: true,
			Connections: []txn.Connection{contact(1, 1, 100), contact(2, 2, 200)},
		}},
		Branches: pg.Branches{
			{ID: 1, System: 7, Timeline: 1, HasHistory: true},
			{ID: 2, System: 7, Timeline: 2, HasHistory: true, Parent: 1, Fork: fork},
		},
		BranchOf:     func(_ txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(min(c, 2)) },
		Survivor:     compare.Survivor{Branch: 2, Name: "b", Proven: true},
		Sentinels:    []txn.Sentinel{{Number: 1}},
		SentinelKept: []int32{1},
		Capture:      compare.CaptureFacts{Heard: true, Complete: true, Start: pg.Position{Branch: 1, LSN: 0x1000}},
	}
	return ev
}

// send appends an attempt to a worker's ledger; each takes a millisecond, with
// one between.
func (ev *evidence) send(w txn.Worker, e txn.Entry) (txn.ID, int32) {
	view := ev.views[w]
	if view == nil {
		view = plan.New(testMix, 1, testRun, w)
		ev.views[w] = view
	}
	a := view.Next()
	ev.clock += 2 * time.Millisecond
	e.Sent, e.Took = ev.clock, time.Millisecond
	if e.Phase == txn.PhaseUnknown {
		e.Phase = txn.Answered
	}
	if !e.Outcome.IsAck() && e.Fault == txn.NoFault {
		e.Fault = txn.OtherFault
	}
	if e.Xid == 0 {
		e.Xid = pg.Xid(700 + a.Seq)
	}
	ev.sums[a.ID] = promised(testCase(), a)
	ev.entries[w] = append(ev.entries[w], e)
	view.Settle(e)
	return a.ID, int32(len(a.Ops))
}

// next gives the next LSN, a commit record of 0x40 bytes apart.
func (ev *evidence) next() pg.LSN {
	ev.lsn += 0x100
	return ev.lsn
}

func (ev *evidence) mark(id txn.ID, ops int32) {
	ev.markers[id.Worker] = append(ev.markers[id.Worker], txn.Marker{ID: id, Ops: ops, Sum: ev.sums[id]})
}

func (ev *evidence) capture(id txn.ID, branch pg.BranchID, lsn pg.LSN, ops int32) {
	ev.commits[id.Worker] = append(ev.commits[id.Worker], txn.Commit{
		ID: id, Branch: branch, LSN: lsn, End: lsn + 0x40, Xid: pg.Xid(700 + id.Seq), Ops: ops, Seen: ops,
		Sum: ev.sums[id], SeenSum: ev.sums[id],
	})
}

// keep plants an attempt that is acked, captured and there.
func (ev *evidence) keep(w txn.Worker, conn txn.Conn) txn.ID {
	lsn := ev.next()
	id, ops := ev.send(w, txn.Entry{LSN: lsn - 0x20, Conn: conn, Outcome: txn.Acked})
	ev.mark(id, ops)
	ev.capture(id, pg.BranchID(conn), lsn, ops)
	return id
}

// fail plants the failover: from here on commits lie past the fork, and 1.5 s
// pass with refused connects.
func (ev *evidence) fail() {
	ev.lsn = max(ev.lsn, fork)
	for range 3 {
		ev.clock += 500 * time.Millisecond
		ev.facts.Drivers[0].Probes = append(ev.facts.Drivers[0].Probes, txn.Probe{At: ev.clock, Fault: txn.Refused})
	}
}

// settle fills in the reserves and sorts what was planted.
func (ev *evidence) settle() *evidence {
	if len(ev.facts.Reserves) == 0 {
		for _, w := range []txn.Worker{0, 1} {
			used := txn.Seq(len(ev.entries[w]))
			ev.facts.Reserves = append(ev.facts.Reserves, txn.Reserve{Worker: w, Upto: 1024, Used: used, Closed: true})
		}
	}
	ev.facts.MarkerWorkers, ev.facts.CommitWorkers = nil, nil
	ev.facts.TableWorkers = []txn.Worker{0, 1}
	for w := range ev.markers {
		slices.SortFunc(ev.markers[w], func(a, b txn.Marker) int { return int(a.Seq - b.Seq) })
		ev.facts.MarkerWorkers = append(ev.facts.MarkerWorkers, w)
	}
	for w := range ev.commits {
		slices.SortStableFunc(ev.commits[w], func(a, b txn.Commit) int { return int(a.Seq - b.Seq) })
		ev.facts.CommitWorkers = append(ev.facts.CommitWorkers, w)
	}
	return ev
}

// failover plants a whole clean run: both workers before and after a fault,
// with what plant adds before the fault and what late adds after it.
func failover(plant, late func(ev *evidence)) *evidence {
	ev := newEvidence()
	for range 5 {
		ev.keep(0, before)
		ev.keep(1, before)
	}
	if plant != nil {
		plant(ev)
	}
	ev.fail()
	for range 5 {
		ev.keep(0, after)
		ev.keep(1, after)
	}
	if late != nil {
		late(ev)
	}
	return ev.settle()
}

func stream[T any](ev *evidence, name string, all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if ev.broken == name {
			var none T
			yield(none, errBroken)
		}
	}
}

func (ev *evidence) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return stream(ev, "entries", ev.entries[w])
}

func (ev *evidence) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	return stream(ev, "markers", ev.markers[w])
}

func (ev *evidence) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return stream(ev, "commits", ev.commits[w])
}

func testCase() compare.Case {
	return compare.Case{Run: testRun, Seed: 1, Mix: testMix, SegmentBytes: 16 << 20}
}

// judge runs the judge and returns all findings.
func (ev *evidence) judge(t testing.TB, c compare.Case) (compare.Result, []compare.Finding) {
	t.Helper()
	var found []compare.Finding
	res, err := compare.Judge(c, ev.facts, ev, func(f compare.Finding) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatalf("Judge: %v", err)
	}
	return res, found
}
