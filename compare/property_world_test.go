package compare_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// tick is the grid of the times at which attempts are sent: as wide as the
// judge's bounds are fine, so that the order of an ack and of what was sent after
// it is never in question.
const tick = 10 * time.Millisecond

// version is one version of a row, as a server holds it.
type version struct {
	seq  txn.Seq
	kind txn.Kind
}

type tables map[txn.Worker]map[txn.RowID]version

func (ts tables) of(w txn.Worker) map[txn.RowID]version {
	if ts[w] == nil {
		ts[w] = map[txn.RowID]version{}
	}
	return ts[w]
}

// apply does what a transaction does, and says whether each operation found its
// row.
func (ts tables) apply(id txn.ID, ops []txn.Op) bool {
	rows := ts.of(id.Worker)
	for _, op := range ops {
		if there, ok := rows[op.ID]; ok != (op.Kind != txn.Insert) || there.seq != op.Expect {
			return false
		}
	}
	for _, op := range ops {
		if op.Kind == txn.Delete {
			delete(rows, op.ID)
			continue
		}
		rows[op.ID] = version{id.Seq, op.Kind}
	}
	return true
}

// record is a commit record in a server's log.
type record struct {
	id txn.ID
	// owner is the branch on which it was written.
	owner      pg.BranchID
	start, end pg.LSN
	xid        pg.Xid
	ops        []txn.Op
}

// server is a server as it truly is: its whole log, from the first record on,
// and the rows that the log makes.
type server struct {
	branch  pg.BranchID
	start   pg.ProcessStart
	insert  pg.LSN
	xid     pg.Xid
	records []record
	rows    tables
}

// commit appends a transaction, if it finds its rows.
func (s *server) commit(id txn.ID, ops []txn.Op, gap pg.LSN) bool {
	if !s.rows.apply(id, ops) {
		return false
	}
	s.xid++
	r := record{id: id, owner: s.branch, start: s.insert + gap, xid: s.xid, ops: slices.Clone(ops)}
	r.end = r.start + 0x30
	s.records, s.insert = append(s.records, r), r.end
	return true
}

// world is a run as it truly was.
type world struct {
	t      *rapid.T
	c      compare.Case
	server *server
	// zombie is the server before, where it goes on beside the new one.
	zombie *server
	// split says that one ever did.
	split    bool
	branches pg.Branches
	// readable says that histories can be read, and quiet that nothing is lost.
	readable, quiet bool
	clock           time.Duration
	drivers         []*driver
	workers         []*worker
	capture         capture
}

func (w *world) chance(label string, in int) bool {
	return rapid.IntRange(0, in-1).Draw(w.t, label) == in-1
}

func (w *world) upto(label string, n int) int { return rapid.IntRange(0, n).Draw(w.t, label) }

// newWorld draws a run that has not begun.
func newWorld(t *rapid.T, c compare.Case) *world {
	w := &world{t: t, c: c, readable: rapid.IntRange(0, 5).Draw(t, "readable") > 0}
	w.branches = pg.Branches{{ID: 1, System: 7, Timeline: 1, HasHistory: true, Reason: pg.ReasonFirst}}
	w.server = &server{branch: 1, start: 100, insert: 0x1000, xid: 700, rows: tables{}}
	w.drawWriters()
	return w
}

// drawWorld draws a run from its start to its end transaction.
func drawWorld(t *rapid.T, c compare.Case) *world {
	w := newWorld(t, c)
	steps := stepsOf(c)
	w.capture.early = rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "before capture")
	for phase := range rapid.IntRange(1, 4).Draw(t, "phases") {
		if phase > 0 {
			w.fail()
		}
		w.load(rapid.IntRange(0, steps).Draw(t, "steps"))
	}
	w.drain()
	w.follow(w.chance("stream cut", 6))
	return w
}

// stepsOf is how many steps the workers take at most between two faults.
func stepsOf(c compare.Case) int {
	if c.Mix.MaxOps > 1000 {
		return 4
	}
	return 30
}

// drawQuietWorld draws a run in which the server is replaced, nothing is lost, and
// all of the evidence is there.
func drawQuietWorld(t *rapid.T, c compare.Case) *world {
	w := newWorld(t, c)
	w.quiet = true
	for phase := range rapid.IntRange(2, 4).Draw(t, "phases") {
		if phase > 0 {
			w.fail()
		}
		w.load(rapid.IntRange(0, stepsOf(c)).Draw(t, "steps"))
		w.serve()
	}
	w.drain()
	w.serve()
	w.follow(false)
	return w
}

// fail lets the server end, and another or the same come in its place.
func (w *world) fail() {
	old := w.server
	kind := rapid.SampledFrom([]string{"promote", "promote", "restart", "backwards", "double"}).Draw(w.t, "event")
	ended := []*server{w.zombie, old}
	w.zombie = nil
	if kind == "promote" && !w.quiet && w.chance("zombie", 5) {
		ended, w.zombie, w.split = ended[:1], old, true
	}
	w.interrupt(ended)
	w.follow(w.chance("lag", 3))
	next := &server{branch: old.branch, start: old.start + 100, insert: old.insert, xid: old.xid, records: old.records, rows: old.rows}
	if kind == "backwards" && w.chance("same process", 3) {
		next.start = old.start // its postmaster outlived the crash
	}
	if kind != "restart" {
		kept := len(old.records)
		if !w.quiet && w.chance("lossy", 2) {
			kept -= w.upto("lost", min(kept, 6))
		}
		w.keepOnly(next, kept)
		w.branches = append(w.branches, w.branchAt(kind, next))
		next.branch = pg.BranchID(len(w.branches))
	}
	w.server = next
	w.resume(old, next)
	w.hangUp(ended)
	w.outage()
}

// keepOnly leaves a server the first records of the log, and a new end of it.
func (w *world) keepOnly(s *server, kept int) {
	from, to := pg.LSN(0x1000), s.insert
	if kept > 0 {
		from = s.records[kept-1].end
	}
	if kept < len(s.records) {
		to = s.records[kept].start
	}
	s.insert = from + pg.LSN(rapid.IntRange(0, int(to-from)).Draw(w.t, "cut"))
	s.records = slices.Clone(s.records[:kept])
	s.rows, s.xid = tables{}, 700
	for _, r := range s.records {
		s.rows.apply(r.id, r.ops)
		s.xid = r.xid
	}
}

// branchAt is the branch of a server whose log goes on from its insert
// position, as the history would have it: the one that owns that position is its
// parent, if it is the only one of its identity.
func (w *world) branchAt(kind string, s *server) pg.Branch {
	cur := w.branches[s.branch-1]
	parent := w.branches[w.branches.Owner(pg.Position{Branch: s.branch, LSN: s.insert})-1]
	b := pg.Branch{ID: pg.BranchID(len(w.branches) + 1), System: 7, Timeline: cur.Timeline + 1, Reason: pg.ReasonPromoted}
	twins := 0
	for _, o := range w.branches {
		if o.Timeline == parent.Timeline {
			twins++
		}
	}
	switch {
	case kind == "backwards":
		b.Timeline, b.Unclear, b.Reason = cur.Timeline, true, pg.ReasonBackwards
	case !w.readable:
	case twins > 1:
		b.HasHistory, b.Unclear = true, true
	default:
		b.HasHistory, b.Parent, b.Fork = true, parent.ID, s.insert
		if kind == "double" {
			b.Timeline = parent.Timeline + 1
		}
	}
	if kind == "backwards" {
		b.HasHistory = cur.HasHistory
	}
	return b
}

// survivors are the attempts that are truly in the log at the end.
func (w *world) survivors() map[txn.ID]bool {
	kept := map[txn.ID]bool{}
	for _, r := range w.server.records {
		kept[r.id] = true
	}
	return kept
}

// drawMix draws what the workers do.
func drawMix(t *rapid.T) plan.Mix {
	m := plan.Mix{Insert: rapid.SampledFrom([]int{20, 50, 100}).Draw(t, "insert")}
	m.Update = rapid.IntRange(0, 100-m.Insert).Draw(t, "update")
	m.Delete = 100 - m.Insert - m.Update
	m.MaxOps = rapid.SampledFrom([]int{1, 2, 4, 4, 12, 60}).Draw(t, "max ops")
	if rapid.IntRange(0, 99).Draw(t, "huge") == 41 {
		m.MaxOps = 12_000
	}
	m.PayloadBytes = rapid.SampledFrom([]int{0, 1, 8, 23}).Draw(t, "payload")
	return m
}

// copied is a deep copy of the tables as rows with content.
func (w *world) copied() map[txn.Worker]map[txn.RowID]txn.Content {
	all := map[txn.Worker]map[txn.RowID]txn.Content{}
	for _, k := range w.workers {
		all[k.id] = map[txn.RowID]txn.Content{}
		for _, id := range slices.Sorted(maps.Keys(w.server.rows.of(k.id))) {
			v := w.server.rows[k.id][id]
			all[k.id][id] = contentOf(w.c, txn.ID{Run: w.c.Run, Worker: k.id, Seq: v.seq}, id, v.kind)
		}
	}
	return all
}

// contentOf is what an attempt writes into a row.
func contentOf(c compare.Case, id txn.ID, row txn.RowID, kind txn.Kind) txn.Content {
	payload := txn.AppendPayload(nil, c.Seed, id, row, c.Mix.PayloadBytes)
	return txn.Content{Row: txn.Row{Run: id.Run, ID: row, Seq: id.Seq, Sum: txn.SumOf(id, row, kind, payload)}, Payload: payload}
}
