package plant_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	testRun = txn.Run(1795194121)
	seed    = 7
	workers = 3
)

// maker makes up a run: workers take turns, a millisecond each, on a server that
// really keeps their rows.
type maker struct {
	chance *rand.Rand
	e      *plant.Evidence
	views  [workers]*plan.View
	now    time.Duration
	lsn    pg.LSN
	xid    pg.Xid
}

// fate is what the made-up server does with one attempt.
type fate struct {
	conn     txn.Conn
	outcome  txn.Outcome
	commits  bool
	survives bool
	captured bool
}

func newMaker(chanceSeed uint64) *maker {
	m := &maker{chance: rand.New(rand.NewPCG(chanceSeed, 1)), lsn: 0x2000000}
	mix := plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 20}
	contact := func(n uint32, tl pg.Timeline, start pg.ProcessStart) txn.Connection {
		return txn.Connection{Contact: pg.Contact{Number: n, At: int64(n), System: 7, Timeline: tl, Start: start}}
	}
	m.e = &plant.Evidence{
		Case: compare.Case{Run: testRun, Seed: seed, Mix: mix},
		Facts: compare.Facts{
			Drivers: []compare.Driver{{
				ID: 1, Started: time.Date(2026, 11, 20, 17, 2, 1, 0, time.UTC), Closed: true,
				Connections: []txn.Connection{contact(1, 1, 100), contact(2, 2, 200)},
			}},
			Branches:      pg.Branches{{ID: 1, System: 7, Timeline: 1, HasHistory: true}},
			BranchOf:      func(_ txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(c) },
			Survivor:      compare.Survivor{Branch: 2, Name: "b", Proven: true},
			Sentinels:     []txn.Sentinel{{Number: 1}},
			SentinelKept:  []int32{1},
			Capture:       compare.CaptureFacts{Heard: true, Complete: true, Start: pg.Position{Branch: 1, LSN: 0x1000}},
			MarkerWorkers: []txn.Worker{txn.SentinelWorker},
		},
		Nodes: []compare.NodeFacts{
			{Name: "a", Why: "it is dead"},
			{Name: "b", Reachable: true, Writable: true, Branch: 2, System: 7, Timeline: 2, Start: 200},
		},
		Ledgers: map[txn.Worker][]txn.Entry{}, Stream: map[txn.Worker][]txn.Commit{},
		Marks:  map[txn.Worker]map[txn.Seq]txn.Marker{txn.SentinelWorker: {1: {ID: txn.ID{Run: testRun, Worker: txn.SentinelWorker, Seq: 1}}}},
		Tables: map[txn.Worker]map[txn.RowID]txn.Content{}, Broken: map[txn.Worker]error{},
	}
	for w := range txn.Worker(workers) {
		m.views[w] = plan.New(mix, seed, testRun, w)
		m.e.Marks[w], m.e.Tables[w] = map[txn.Seq]txn.Marker{}, map[txn.RowID]txn.Content{}
		m.e.Tables[w][-1] = txn.Content{Row: txn.Row{Run: testRun, ID: -1, Seq: 1}}
		f := &m.e.Facts
		f.MarkerWorkers, f.CommitWorkers = append(f.MarkerWorkers, w), append(f.CommitWorkers, w)
		f.TableWorkers, f.Workers = append(f.TableWorkers, w), append(f.Workers, w)
	}
	return m
}

// send sends the next attempt of a worker. Of what is committed the rows that
// survive are kept; an operation that misses its row fails the attempt.
func (m *maker) send(w txn.Worker, f fate) {
	a := m.views[w].Next()
	m.now, m.lsn, m.xid = m.now+2*time.Millisecond, m.lsn+0x100, m.xid+1
	e := txn.Entry{
		LSN: m.lsn - 0x40, Sent: m.now, Took: time.Millisecond, Xid: m.xid, Conn: f.conn,
		Outcome: f.outcome, Phase: txn.Answered,
	}
	if f.survives && m.misses(w, a.Ops) {
		f.commits, e.Outcome, e.Fault, e.State = false, txn.Failed, txn.Miss, txn.StateOf("22012")
	} else if !f.outcome.IsAck() {
		e.Fault = txn.OtherFault
	}
	m.e.Ledgers[w] = append(m.e.Ledgers[w], e)
	sum := txn.Sum(0)
	for _, op := range a.Ops {
		var payload []byte
		if op.Kind != txn.Delete {
			payload = txn.AppendPayload(nil, seed, a.ID, op.ID, m.e.Case.Mix.PayloadBytes)
		}
		change := txn.SumOf(a.ID, op.ID, op.Kind, payload)
		sum ^= change
		switch {
		case !f.commits || !f.survives:
		case op.Kind == txn.Delete:
			delete(m.e.Tables[w], op.ID)
		default:
			m.e.Tables[w][op.ID] = txn.Content{Row: txn.Row{Run: testRun, ID: op.ID, Seq: a.Seq, Sum: change}, Payload: payload}
		}
	}
	ops := int32(len(a.Ops))
	if f.commits && f.survives {
		m.e.Marks[w][a.Seq] = txn.Marker{ID: a.ID, Ops: ops, Sum: sum}
	}
	if f.commits && f.captured {
		m.e.Stream[w] = append(m.e.Stream[w], txn.Commit{
			ID: a.ID, Branch: pg.BranchID(f.conn), LSN: m.lsn, End: m.lsn + 0x40, Xid: m.xid,
			Ops: ops, Sum: sum, Seen: ops, SeenSum: sum,
		})
	}
	m.views[w].Settle(e)
}

func (m *maker) misses(w txn.Worker, ops []txn.Op) bool {
	for _, op := range ops {
		if op.Kind != txn.Insert && m.e.Tables[w][op.ID].Seq != op.Expect {
			return true
		}
	}
	return false
}

// load lets the run go on for so many attempts of each worker, now and then with one that fails or
// is acked with the warning.
func (m *maker) load(attempts int, f fate) {
	for range attempts {
		for w := range txn.Worker(workers) {
			one := f
			one.outcome = txn.Acked
			switch m.chance.IntN(20) {
			case 0:
				one.outcome, one.commits = txn.Failed, false
			case 1:
				one.outcome = txn.AckedUnreplicated
			}
			m.send(w, one)
		}
	}
}

// failover makes up a run with a failover; lost is how many attempts of each
// worker the survivor never had.
func failover(chanceSeed uint64, lost int) *plant.Evidence {
	m := newMaker(chanceSeed)
	kept := fate{conn: 1, commits: true, survives: true, captured: true}
	m.load(40, kept)
	fork := m.lsn + 0x80
	m.e.Facts.Branches = append(m.e.Facts.Branches, pg.Branch{ID: 2, System: 7, Timeline: 2, HasHistory: true, Parent: 1, Fork: fork})
	gone := kept
	gone.survives = false
	m.load(lost, gone)
	for w := range txn.Worker(workers) {
		// The last of each gets no answer; one of them was committed in time.
		m.send(w, fate{conn: 1, outcome: txn.InDoubt, commits: w == 0 && lost > 0, captured: false})
	}
	for range 3 {
		m.now += 500 * time.Millisecond
		m.e.Facts.Drivers[0].Probes = append(m.e.Facts.Drivers[0].Probes, txn.Probe{At: m.now, Fault: txn.Refused})
	}
	m.lsn = fork
	kept.conn = 2
	if lost > 0 {
		kept.captured = false
		m.load(4, kept)
	}
	kept.captured = true
	m.load(40, kept)
	for w := range txn.Worker(workers) {
		m.send(w, fate{conn: 2, outcome: txn.Acked, commits: true, survives: true, captured: true})
		n := txn.Seq(len(m.e.Ledgers[w]))
		m.e.Facts.Reserves = append(m.e.Facts.Reserves, txn.Reserve{Worker: w, Driver: 1, Upto: 1024, Used: n, Closed: true})
	}
	return m.e
}

func newBase(t testing.TB, e *plant.Evidence) *plant.Base {
	t.Helper()
	b, err := plant.NewBase(e, compare.Judge)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
