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

// planter spoils evidence. Each of its plots leaves the evidence as it is where
// there is nothing that it could spoil.
type planter struct {
	*evidence
	t *rapid.T
	c compare.Case
}

func (p *planter) upto(label string, n int) int { return rapid.IntRange(0, n).Draw(p.t, label) }

// worker draws a worker of the run.
func (p *planter) worker() txn.Worker {
	if len(p.facts.Reserves) == 0 {
		return 0
	}
	return rapid.SampledFrom(p.facts.Reserves).Draw(p.t, "of").Worker
}

// of draws one element of a worker's stream; nil where there is none.
func of[T any](p *planter, streams map[txn.Worker][]T) (txn.Worker, int, *T) {
	w := p.worker()
	if len(streams[w]) == 0 {
		return w, 0, nil
	}
	i := p.upto("at", len(streams[w])-1)
	return w, i, &streams[w][i]
}

// id draws the name of an attempt that may have been, or not.
func (p *planter) id() txn.ID {
	w := rapid.SampledFrom([]txn.Worker{p.worker(), p.worker(), p.worker(), p.worker(), 9, txn.SentinelWorker}).Draw(p.t, "whose")
	return txn.ID{Run: p.c.Run, Worker: w, Seq: txn.Seq(p.upto("seq", len(p.entries[w])+10))}
}

// ops gives what the attempts of a worker were to do.
func (p *planter) ops(w txn.Worker) [][]txn.Op {
	var all [][]txn.Op
	view := plan.New(p.c.Mix, p.c.Seed, p.c.Run, w)
	for _, e := range p.entries[w] {
		all = append(all, slices.Clone(view.Next().Ops))
		view.Settle(e)
	}
	return all
}

// markerOf is the marker that an attempt leaves; of one that is not known it is
// made up.
func (p *planter) markerOf(id txn.ID) txn.Marker {
	if all := p.ops(id.Worker); id.Seq >= 1 && int(id.Seq) <= len(all) {
		ops := all[id.Seq-1]
		return txn.Marker{ID: id, Ops: int32(len(ops)), Sum: sumOf(p.c, record{id: id, ops: ops})}
	}
	return txn.Marker{ID: id, Ops: 1}
}

// mark puts a marker in, if it is not there.
func (p *planter) mark(m txn.Marker) {
	if !slices.ContainsFunc(p.markers[m.Worker], func(o txn.Marker) bool { return o.ID == m.ID }) {
		p.markers[m.Worker] = append(p.markers[m.Worker], m)
	}
}

// row draws a row that is there.
func (p *planter) row() (txn.Worker, txn.RowID, bool) {
	w := p.worker()
	ids := slices.Sorted(maps.Keys(p.tables[w]))
	if len(ids) == 0 {
		return w, 0, false
	}
	return w, ids[p.upto("row", len(ids)-1)], true
}

// put writes a row, as an attempt would.
func (p *planter) put(w txn.Worker, row txn.RowID, seq txn.Seq, kind txn.Kind) {
	if p.tables[w] == nil {
		p.tables[w] = map[txn.RowID]txn.Content{}
	}
	p.tables[w][row] = contentOf(p.c, txn.ID{Run: p.c.Run, Worker: w, Seq: seq}, row, kind)
}

// lsn draws a position near those of the run.
func (p *planter) lsn() pg.LSN { return 0x1000 + pg.LSN(p.upto("lsn", 0x90))*0x10 }

func (p *planter) branch() pg.BranchID {
	return pg.BranchID(1 + p.upto("branch", max(0, len(p.facts.Branches)-1)))
}

// markerPlots spoil markers.
var markerPlots = map[string]func(p *planter){
	"marker removed": func(p *planter) {
		if w, i, m := of(p, p.markers); m != nil {
			p.markers[w] = slices.Delete(p.markers[w], i, i+1)
		}
	},
	"marker and its rows removed": func(p *planter) {
		w, i, m := of(p, p.markers)
		if m == nil {
			return
		}
		maps.DeleteFunc(p.tables[w], func(_ txn.RowID, r txn.Content) bool { return r.Seq == m.Seq })
		p.markers[w] = slices.Delete(p.markers[w], i, i+1)
	},
	"end of the markers removed": func(p *planter) {
		if w, i, m := of(p, p.markers); m != nil {
			p.markers[w] = p.markers[w][:i]
		}
	},
	"marker of other operations": func(p *planter) {
		if _, _, m := of(p, p.markers); m != nil {
			m.Ops += int32(1 - 2*p.upto("fewer", 1))
		}
	},
	"marker of another checksum": func(p *planter) {
		if _, _, m := of(p, p.markers); m != nil {
			m.Sum ^= 1 << p.upto("bit", 31)
		}
	},
	// It was committed, but no look for its marker was answered.
	"committed and not settled": func(p *planter) {
		w, i, e := of(p, p.entries)
		id := txn.ID{Run: p.c.Run, Worker: w, Seq: txn.Seq(i + 1)}
		there := slices.ContainsFunc(p.markers[w], func(m txn.Marker) bool { return m.ID == id })
		if e == nil || e.Outcome != txn.InDoubt || there {
			return
		}
		p.facts.Unresolved[id] = "a backend is left"
		p.do(id, p.ops(w)[i])
	},
	"marker put in": func(p *planter) { p.mark(p.markerOf(p.id())) },
	"marker brought back with its rows": func(p *planter) {
		id := p.id()
		all := p.ops(id.Worker)
		if id.Seq < 1 || int(id.Seq) > len(all) {
			return
		}
		p.mark(p.markerOf(id))
		p.do(id, all[id.Seq-1])
	},
}

// do does to the rows what an attempt was to do.
func (p *planter) do(id txn.ID, ops []txn.Op) {
	for _, op := range ops {
		if op.Kind == txn.Delete {
			delete(p.tables[id.Worker], op.ID)
			continue
		}
		p.put(id.Worker, op.ID, id.Seq, op.Kind)
	}
}

// rowPlots spoil rows.
var rowPlots = map[string]func(p *planter){
	"row removed": func(p *planter) {
		if w, id, ok := p.row(); ok {
			delete(p.tables[w], id)
		}
	},
	"row's checksum altered": func(p *planter) {
		if w, id, ok := p.row(); ok {
			r := p.tables[w][id]
			r.Sum ^= 1 << p.upto("bit", 31)
			p.tables[w][id] = r
		}
	},
	"row's payload altered": func(p *planter) {
		if w, id, ok := p.row(); ok && len(p.tables[w][id].Payload) > 0 {
			r := p.tables[w][id]
			r.Payload = slices.Clone(r.Payload)
			r.Payload[p.upto("byte", len(r.Payload)-1)] = '!'
			p.tables[w][id] = r
		}
	},
	"checksums swapped": func(p *planter) {
		w, a, ok := p.row()
		if !ok {
			return
		}
		ids := slices.Sorted(maps.Keys(p.tables[w]))
		b := ids[p.upto("with", len(ids)-1)]
		x, y := p.tables[w][a], p.tables[w][b]
		x.Sum, y.Sum = y.Sum, x.Sum
		p.tables[w][a], p.tables[w][b] = x, y
	},
	"row of another attempt": func(p *planter) {
		if w, id, ok := p.row(); ok {
			kind := rapid.SampledFrom([]txn.Kind{txn.Insert, txn.Update}).Draw(p.t, "kind")
			p.put(w, id, txn.Seq(p.upto("seq", len(p.entries[w])+3)), kind)
		}
	},
	"row put in": func(p *planter) {
		w := p.worker()
		if p.upto("stranger", 5) == 5 {
			w = 9
			if p.facts.TableWorkers != nil && !slices.Contains(p.facts.TableWorkers, w) {
				p.facts.TableWorkers = append(p.facts.TableWorkers, w)
			}
		}
		kind := rapid.SampledFrom([]txn.Kind{txn.Insert, txn.Update}).Draw(p.t, "kind")
		p.put(w, txn.RowID(p.upto("id", 60)-2), txn.Seq(p.upto("seq", len(p.entries[w])+3)), kind)
	},
	// What an attempt wrote is there again, or still.
	"row of an older version": func(p *planter) {
		id := p.id()
		all := p.ops(id.Worker)
		if id.Seq < 1 || int(id.Seq) > len(all) {
			return
		}
		op := all[id.Seq-1][p.upto("op", len(all[id.Seq-1])-1)]
		if op.Kind != txn.Delete {
			p.put(id.Worker, op.ID, id.Seq, op.Kind)
		}
	},
	"table removed": func(p *planter) {
		w := p.worker()
		p.facts.TableWorkers = slices.DeleteFunc(p.facts.TableWorkers, func(o txn.Worker) bool { return o == w })
	},
}

// streamPlots spoil captured commits.
var streamPlots = map[string]func(p *planter){
	"commit removed": func(p *planter) {
		if w, i, m := of(p, p.commits); m != nil {
			p.commits[w] = slices.Delete(p.commits[w], i, i+1)
		}
	},
	"commit doubled": func(p *planter) {
		w, _, m := of(p, p.commits)
		if m == nil {
			return
		}
		again := *m
		if p.upto("elsewhere", 3) > 0 {
			again.LSN = p.lsn()
			again.End = again.LSN + 0x30
		}
		if p.upto("on another branch", 2) == 2 {
			again.Branch = p.branch()
		}
		p.commits[w] = append(p.commits[w], again)
	},
	"commit twice with other content": func(p *planter) {
		if w, _, m := of(p, p.commits); m != nil {
			again := *m
			again.Xid ^= pg.Xid(p.upto("xid", 1))
			again.SeenSum ^= txn.Sum(p.upto("sum", 1))
			p.commits[w] = append(p.commits[w], again)
		}
	},
	"commits swapped": func(p *planter) {
		w, i, m := of(p, p.commits)
		if m == nil {
			return
		}
		o := &p.commits[w][p.upto("with", len(p.commits[w])-1)]
		if i >= 0 {
			m.LSN, m.End, m.Branch, o.LSN, o.End, o.Branch = o.LSN, o.End, o.Branch, m.LSN, m.End, m.Branch
		}
	},
	"commit altered": func(p *planter) {
		_, _, m := of(p, p.commits)
		if m == nil {
			return
		}
		switch p.upto("what", 5) {
		case 0:
			m.Seen--
		case 1:
			m.Seen++
		case 2:
			m.SeenSum ^= 1
		case 3:
			m.Sum ^= 1
		case 4:
			m.Sum, m.SeenSum = m.Sum^1, m.SeenSum^1
		case 5:
			m.Ops, m.Seen = m.Ops+1, m.Seen+1
		}
	},
	"commit moved": func(p *planter) {
		if _, _, m := of(p, p.commits); m != nil {
			m.Branch, m.LSN = p.branch(), p.lsn()
			m.End = m.LSN + 0x30
		}
	},
	"commit put in": func(p *planter) {
		m := p.markerOf(p.id())
		c := txn.Commit{ID: m.ID, Branch: p.branch(), LSN: p.lsn(), Ops: m.Ops, Seen: m.Ops, Sum: m.Sum, SeenSum: m.Sum}
		c.End = c.LSN + 0x30
		p.commits[m.Worker] = append(p.commits[m.Worker], c)
	},
}

// ledgerPlots spoil entries.
var ledgerPlots = map[string]func(p *planter){
	"entry removed": func(p *planter) {
		if w, i, e := of(p, p.entries); e != nil {
			p.entries[w] = slices.Delete(p.entries[w], i, i+1)
		}
	},
	"entry turned": func(p *planter) {
		if _, _, e := of(p, p.entries); e != nil {
			e.Outcome = txn.Outcome(p.upto("into", 3))
			e.Fault, e.State = txn.NoFault, txn.SQLState{}
			if !e.Outcome.IsAck() {
				e.Fault = rapid.SampledFrom([]txn.Fault{txn.Reset, txn.Miss, txn.OtherFault}).Draw(p.t, "fault")
			}
		}
	},
	"entry of another LSN": func(p *planter) {
		if _, _, e := of(p, p.entries); e != nil {
			e.LSN = p.lsn() * pg.LSN(p.upto("told", 1))
		}
	},
	"entry of another connection": func(p *planter) {
		if w, i, e := of(p, p.entries); e != nil && i > 0 {
			e.Conn = p.entries[w][i-1].Conn
		}
	},
	// Behind a pooler, what failed may not have told which server it went to.
	"marker removed before an entry of no connection": func(p *planter) {
		w, i, e := of(p, p.entries)
		if e == nil || i == 0 {
			return
		}
		e.Conn = 0
		p.markers[w] = slices.DeleteFunc(p.markers[w], func(m txn.Marker) bool { return m.Seq == txn.Seq(i) })
	},
	"account of fewer entries": func(p *planter) {
		if len(p.facts.Reserves) > 0 {
			r := &p.facts.Reserves[p.upto("whose", len(p.facts.Reserves)-1)]
			r.Used = max(0, r.Used-1)
		}
	},
	"tail cut": func(p *planter) { p.cutTail(p.upto("closed", 3) == 0) },
	"stall": func(p *planter) {
		if len(p.facts.Drivers) == 0 {
			return
		}
		d := &p.facts.Drivers[p.upto("driver", len(p.facts.Drivers)-1)]
		from := time.Duration(p.upto("from", 400)) * tick
		d.Stalls = append(d.Stalls, txn.Stall{From: from, To: from + tick, Cause: "ticker"})
	},
}

// cutTail loses the end of a worker's account, as a lost host does.
func (p *planter) cutTail(closed bool) {
	w, i, e := of(p, p.entries)
	if e == nil {
		return
	}
	p.entries[w] = p.entries[w][:i]
	if closed {
		return
	}
	k := slices.IndexFunc(p.facts.Reserves, func(r txn.Reserve) bool { return r.Worker == w })
	if k < 0 {
		return // nothing is known of it anyway
	}
	mine := p.facts.Reserves[k].Driver
	for k := range p.facts.Reserves {
		if r := &p.facts.Reserves[k]; r.Driver == mine {
			r.Closed, r.Used = false, 0
		}
	}
	for k := range p.facts.Drivers {
		if d := &p.facts.Drivers[k]; d.ID == mine {
			d.Closed = false
		}
	}
}
