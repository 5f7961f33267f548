package compare_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// driver is one process of the run.
type driver struct {
	compare.Driver
	// pooled says that it goes through a pooler: of what is not answered it
	// does not know to which server it went.
	pooled bool
	// branchOf is the branch of each of its connections, from the first on.
	branchOf []pg.BranchID
}

// worker is one worker of a driver.
type worker struct {
	id      txn.Worker
	driver  *driver
	view    *plan.View
	entries []txn.Entry
	// server is the server of the connection, and conn its number; nil where
	// there is none.
	server *server
	conn   txn.Conn
	flight *flight
}

// flight is an attempt that was sent and has no outcome yet.
type flight struct {
	txn.Attempt
	sent time.Duration
	told pg.LSN
	// done says that it was committed and the answer lost.
	done bool
	// doomed says that its server ended.
	doomed bool
}

func (w *world) drawWriters() {
	number, measured := txn.Worker(0), w.chance("clocks measured", 2)
	for d := range rapid.IntRange(1, 3).Draw(w.t, "drivers") {
		dr := &driver{pooled: w.chance("pooled", 6)}
		dr.ID, dr.Closed = txn.Driver(d), true
		dr.Started = testStart.Add(time.Duration(rapid.IntRange(0, 3).Draw(w.t, "starts")) * time.Second)
		if measured {
			// The host's word is wrong by as much.
			dr.Clock.Offset = rapid.SampledFrom([]time.Duration{0, -7 * time.Second, 3 * time.Second}).Draw(w.t, "skew")
			dr.Clock.Error = rapid.SampledFrom([]time.Duration{1, ms, 4 * ms}).Draw(w.t, "error")
		}
		w.drivers = append(w.drivers, dr)
		for range rapid.IntRange(1, 2).Draw(w.t, "workers") {
			w.workers = append(w.workers, &worker{id: number, driver: dr, view: plan.New(w.c.Mix, w.c.Seed, w.c.Run, number)})
			number++
		}
	}
}

// now is the driver's time.
func (w *world) now(d *driver) time.Duration { return w.clock - d.Started.Sub(testStart) }

// load lets workers take so many steps: each connects, sends, or learns what
// became of what it sent.
func (w *world) load(steps int) {
	for range steps {
		if !w.chance("at once", 4) {
			w.clock += tick
		}
		if w.chance("pause", 12) {
			w.clock += rapid.SampledFrom([]time.Duration{5 * tick, 50 * tick, 150 * tick}).Draw(w.t, "length")
		}
		k := w.workers[w.upto("worker", len(w.workers)-1)]
		switch {
		case w.now(k.driver) < 0, k.flight == nil && w.busy(k):
		case k.flight != nil:
			w.finish(k)
		case k.server == nil:
			w.connect(k)
			w.begin(k)
		default:
			w.begin(k)
		}
	}
}

// busy tells whether a worker knows the outcome of its last attempt only later.
func (w *world) busy(k *worker) bool {
	n := len(k.entries)
	return n > 0 && k.entries[n-1].End() >= w.now(k.driver)
}

// connect opens a connection to the server, or to the one before that goes on.
func (w *world) connect(k *worker) {
	d := k.driver
	k.server, k.conn = w.server, txn.Conn(len(d.Connections)+1)
	if w.zombie != nil && w.chance("to the old one", 3) {
		k.server = w.zombie
	}
	b := w.branches[k.server.branch-1]
	d.Connections = append(d.Connections, txn.Connection{Contact: pg.Contact{
		Observer: int32(d.ID), Number: uint32(k.conn), At: testStart.Add(w.clock).UnixNano(), System: b.System, Timeline: b.Timeline,
		Start: k.server.start, Insert: k.server.insert,
	}})
	d.branchOf = append(d.branchOf, k.server.branch)
}

func (w *world) begin(k *worker) {
	a := k.view.Next()
	ops := append([]txn.Op(nil), a.Ops...)
	k.server.insert += pg.LSN(rapid.SampledFrom([]int{0, 0, 0x18}).Draw(w.t, "others"))
	k.flight = &flight{Attempt: txn.Attempt{ID: a.ID, Ops: ops}, sent: w.now(k.driver), told: k.server.insert}
}

// finish lets a worker learn of its attempt, or not.
func (w *world) finish(k *worker) {
	w.answer(k, rapid.SampledFrom([]string{
		"ack", "ack", "ack", "ack", "ack", "ack", "ack", "warned", "lost answer", "lost request", "error", "not sent",
	}).Draw(w.t, "how"))
}

func (w *world) answer(k *worker, how string) {
	f := k.flight
	e := txn.Entry{Conn: k.conn, LSN: f.told, Sent: f.sent, Phase: txn.Answered}
	e.Took = w.now(k.driver) + time.Duration(rapid.IntRange(1, 9).Draw(w.t, "ms"))*time.Millisecond - f.sent
	switch {
	case f.done:
		how = "lost answer"
	case f.doomed:
		how = rapid.SampledFrom([]string{"lost request", "lost request", "not sent"}).Draw(w.t, "doomed")
	case how == "ack" || how == "warned" || how == "lost answer":
		if !k.server.commit(f.ID, f.Ops, pg.LSN(w.upto("gap", 2)*0x10)) {
			how = "miss"
		} else {
			e.Xid = k.server.xid
		}
	}
	hangUp := false
	switch how {
	case "ack":
		e.Outcome = txn.Acked
	case "warned":
		e.Outcome = txn.AckedUnreplicated
	case "miss":
		e.Outcome, e.Fault, e.State = txn.Failed, txn.Miss, txn.StateOf("22012")
	case "error":
		e.Outcome, e.Fault, e.State = txn.Failed, txn.OtherFault, txn.StateOf("40001")
		e.LSN *= pg.LSN(w.upto("told", 1))
	case "not sent":
		e.Outcome, e.Fault, e.Phase, e.LSN, hangUp = txn.Failed, txn.Reset, txn.NotSent, 0, true
	default:
		e.Fault, e.Phase, e.Xid, hangUp = rapid.SampledFrom([]txn.Fault{txn.Reset, txn.Timeout}).Draw(w.t, "fault"), txn.Sent, 0, true
		e.LSN *= pg.LSN(w.upto("told", 1))
	}
	if k.driver.pooled && !e.Outcome.IsAck() && how != "miss" {
		e.Conn, e.LSN = 0, 0
	}
	k.entries = append(k.entries, e)
	k.view.Settle(e)
	k.flight = nil
	if hangUp {
		k.server = nil
	}
}

// interrupt lets servers end: what is in flight may have been committed before.
func (w *world) interrupt(ended []*server) {
	for _, k := range w.workers {
		if k.flight != nil && !k.flight.doomed && slices.Contains(ended, k.server) {
			k.flight.doomed = true
			k.flight.done = w.chance("committed", 3) && k.server.commit(k.flight.ID, k.flight.Ops, 0)
		}
	}
}

// outage lets time pass in which some workers are refused.
func (w *world) outage() {
	for range w.upto("refusals", 4) {
		w.clock += rapid.SampledFrom([]time.Duration{tick, 30 * tick, 70 * tick}).Draw(w.t, "wait")
		k := w.workers[w.upto("refused", len(w.workers)-1)]
		if w.now(k.driver) < 0 {
			continue
		}
		if k.flight != nil {
			w.finish(k)
			continue
		}
		p := txn.Probe{At: w.now(k.driver) + tick/20, Took: time.Microsecond, Worker: k.id}
		p.Fault = rapid.SampledFrom([]txn.Fault{txn.Refused, txn.StartingUp, txn.OtherFault, txn.TooManyConnections}).Draw(w.t, "refusal")
		k.driver.Probes = append(k.driver.Probes, p)
	}
	w.clock += tick
}

// hangUp takes the connections to servers that ended from those who have nothing
// in flight there.
func (w *world) hangUp(ended []*server) {
	for _, k := range w.workers {
		if k.server != nil && k.flight == nil && slices.Contains(ended, k.server) {
			k.server = nil
		}
	}
}

// serve lets each worker have an ack of the server.
func (w *world) serve() {
	for _, k := range w.workers {
		w.clock = max(w.clock+tick, k.driver.Started.Sub(testStart))
		if k.flight != nil {
			w.finish(k)
			w.clock += tick
		}
		if k.server == nil {
			w.connect(k)
		}
		w.begin(k)
		w.clock += tick
		w.answer(k, "ack")
	}
}

// drain lets all workers learn what became of what they sent.
func (w *world) drain() {
	for _, k := range w.workers {
		if k.flight != nil {
			w.clock += tick
			w.finish(k)
		}
	}
}
