package compare_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// branchPlots spoil what is known of branches and of the survivor.
var branchPlots = map[string]func(p *planter){
	"fork moved": func(p *planter) {
		if b := p.someBranch(); b != nil && b.Parent != 0 {
			b.Fork = p.lsn()
		}
	},
	"another survivor": func(p *planter) { p.facts.Survivor.Branch = p.branch() },
}

// losses are what can be lost of the evidence itself: nothing in what is left of
// it is false.
var losses = map[string]func(p *planter){
	"fork not known": func(p *planter) {
		if b := p.someBranch(); b != nil {
			b.Parent, b.Fork, b.Unclear = 0, 0, true
		}
	},
	"history not read": func(p *planter) {
		if b := p.someBranch(); b != nil && b.Timeline != 1 {
			b.Parent, b.Fork, b.HasHistory = 0, 0, false
		}
	},
	"branches not told apart":   func(p *planter) { p.facts.BranchOf = nil },
	"survivor not proven":       func(p *planter) { p.facts.Survivor = compare.Survivor{Why: "two nodes"} },
	"tables not asked for":      func(p *planter) { p.facts.TableWorkers = nil },
	"stream without its end":    func(p *planter) { p.facts.Capture.Complete = false },
	"end of the stream lost":    func(p *planter) { p.cutStream() },
	"end not on the survivor":   func(p *planter) { p.facts.SentinelKept = nil },
	"slot broken":               func(p *planter) { p.facts.Slot.Fate = compare.SlotBroken },
	"stream not heard":          func(p *planter) { p.facts.Capture = compare.CaptureFacts{}; clear(p.commits) },
	"a problem of the evidence": func(p *planter) { p.facts.Problems = append(p.facts.Problems, "the disk was full") },
	"journal damaged": func(p *planter) {
		if d := p.someDriver(); d != nil {
			d.Damage = append(d.Damage, "a bad frame")
		}
	},
	"driver not closed": func(p *planter) {
		if d := p.someDriver(); d != nil {
			d.Closed = false
		}
	},
	"driver missing": func(p *planter) {
		if d := p.someDriver(); d != nil {
			id := d.ID
			p.facts.Drivers = slices.DeleteFunc(p.facts.Drivers, func(o compare.Driver) bool { return o.ID == id })
		}
	},
	"account missing": func(p *planter) {
		w := p.worker()
		p.facts.Reserves = slices.DeleteFunc(p.facts.Reserves, func(r txn.Reserve) bool { return r.Worker == w })
	},
	"account not closed": func(p *planter) {
		if len(p.facts.Reserves) > 0 {
			r := &p.facts.Reserves[p.upto("whose", len(p.facts.Reserves)-1)]
			r.Closed, r.Used = false, 0
		}
	},
	"account without a driver": func(p *planter) {
		if len(p.facts.Reserves) > 0 {
			p.facts.Reserves[p.upto("whose", len(p.facts.Reserves)-1)].Driver = 8
		}
	},
	"tail lost": func(p *planter) { p.cutTail(false) },
	"server processes not known": func(p *planter) {
		if d := p.someDriver(); d != nil && len(d.Connections) > 0 {
			d.Connections = slices.Clone(d.Connections)
			for i := p.upto("from", len(d.Connections)-1); i < len(d.Connections); i++ {
				d.Connections[i].Start = 0
			}
		}
	},
	"connections not recorded": func(p *planter) {
		if d := p.someDriver(); d != nil {
			d.Connections = d.Connections[:p.upto("recorded", len(d.Connections))]
		}
	},
	"not settled": func(p *planter) {
		w, i, e := of(p, p.entries)
		id := txn.ID{Run: p.c.Run, Worker: w, Seq: txn.Seq(i + 1)}
		there := slices.ContainsFunc(p.markers[w], func(m txn.Marker) bool { return m.ID == id })
		if e != nil && e.Outcome == txn.InDoubt && !there {
			p.facts.Unresolved[id] = "a backend is left"
		}
	},
}

func (p *planter) someBranch() *pg.Branch {
	if len(p.facts.Branches) == 0 {
		return nil
	}
	return &p.facts.Branches[p.branch()-1]
}

func (p *planter) someDriver() *compare.Driver {
	if len(p.facts.Drivers) == 0 {
		return nil
	}
	return &p.facts.Drivers[p.upto("driver", len(p.facts.Drivers)-1)]
}

// cutStream loses the end of the stream.
func (p *planter) cutStream() {
	p.facts.Capture.Complete = false
	for w := range p.commits {
		p.commits[w] = p.commits[w][:p.upto("heard", len(p.commits[w]))]
	}
}

// plots are all that can be planted.
func plotsOf(kinds ...map[string]func(*planter)) map[string]func(*planter) {
	all := map[string]func(*planter){}
	for _, kind := range kinds {
		maps.Copy(all, kind)
	}
	return all
}

// plant draws some plots and carries them out.
func plant(t *rapid.T, c compare.Case, ev *evidence, plots map[string]func(*planter), n int) {
	p := &planter{evidence: ev, t: t, c: c}
	names := slices.Sorted(maps.Keys(plots))
	for range rapid.IntRange(1, n).Draw(t, "plots") {
		plots[rapid.SampledFrom(names).Draw(t, "plot")](p)
	}
	ev.sort()
}
