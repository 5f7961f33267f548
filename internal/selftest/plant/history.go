package plant

import (
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func historyPlanters() []*Planter {
	return []*Planter{
		{
			Name: "fork moved back over what survived", Reach: Whole,
			Classes: []compare.Class{compare.WitnessDisagreement}, plant: forkBack,
		}, {
			Name: "fork moved back over what survived, and was not captured", Reach: Whole,
			Classes: []compare.Class{compare.WitnessDisagreement}, plant: forkBackUnseen,
		}, {
			Name: "fork moved on over what was lost", Reach: Whole,
			Classes: []compare.Class{compare.WitnessDisagreement, compare.Hole}, plant: forkOn,
		},
		{Name: "the old primary still takes writes", Reach: Whole, plant: zombie},
		{Name: "second writable node, promoted beside the first", Reach: Whole, plant: sibling},
		{Name: "second writable node of unknown origin", Reach: Whole, plant: stranger},
		{Name: "survivor that does not answer", Reach: Whole, plant: unreachable},
		{Name: "end of the stream not heard", Reach: Whole, plant: unheardEnd},
		{Name: "end transaction that is not on the survivor", Reach: Whole, plant: lostEnd},
		{Name: "tables of the survivor not asked for", Reach: Whole, plant: unaskedTables},
		{Name: "something went wrong while evidence was gathered", Reach: Whole, plant: problem},
	}
}

// fork is the survivor's branch where it left another one that is known.
func (p *Plot) fork() *pg.Branch {
	for i := range p.Facts.Branches {
		b := &p.Facts.Branches[i]
		if b.ID == p.Facts.Survivor.Branch && b.Parent != 0 && !b.Unclear {
			return b
		}
	}
	return nil
}

// aroundFork lists what was captured once of the branch that the survivor left,
// by position, with the number of those that lie below the fork.
func (p *Plot) aroundFork(b *pg.Branch) (commits []txn.Commit, below int) {
	for w, shown := range p.Stream {
		if w < 0 {
			continue
		}
		for _, c := range shown {
			if c.Branch == b.Parent && p.commitsOf(c.ID) == 1 && !p.attempts[c.ID] {
				commits = append(commits, c)
			}
		}
	}
	slices.SortFunc(commits, func(a, b txn.Commit) int { return int(int64(a.LSN) - int64(b.LSN)) })
	for below < len(commits) && commits[below].LSN < b.Fork {
		below++
	}
	return commits, below
}

// fewMoved is over how many captured transactions a fork is moved at most.
const fewMoved = 10

// forkBack moves the fork back to the very start of a record that survived: what
// starts at the fork is not part of the new branch.
func forkBack(p *Plot) bool {
	b := p.fork()
	c, ok := p.belowFork(b)
	if !ok {
		return false
	}
	b.Fork, p.moved = c.LSN, true
	p.attempts[c.ID] = true
	p.certain(compare.WitnessDisagreement, c.ID)
	return true
}

// forkBackUnseen moves it back to what the client was told of an attempt, which
// the stream did not show: what the client knows then contradicts the rows.
func forkBackUnseen(p *Plot) bool {
	b := p.fork()
	c, ok := p.belowFork(b)
	e, known := p.entry(c.ID)
	if !ok || !known || !e.Outcome.IsAck() || e.LSN == 0 {
		return false
	}
	b.Fork, p.moved = e.LSN, true
	p.attempts[c.ID] = true
	p.forget(c.ID)
	p.of(compare.CaptureGap, c.ID)
	p.certain(compare.WitnessDisagreement, c.ID)
	return true
}

// belowFork gives one of the last commits below the fork whose transaction is
// there.
func (p *Plot) belowFork(b *pg.Branch) (txn.Commit, bool) {
	if b == nil || p.moved {
		return txn.Commit{}, false
	}
	commits, below := p.aroundFork(b)
	first := max(0, below-fewMoved)
	if first == below {
		return txn.Commit{}, false
	}
	c := commits[first+p.chance.IntN(below-first)]
	return c, p.there(c.ID)
}

// forkOn moves the fork to the byte after the start of a record that was lost.
func forkOn(p *Plot) bool {
	b := p.fork()
	if b == nil || p.moved {
		return false
	}
	commits, below := p.aroundFork(b)
	if n := min(fewMoved, len(commits)-below); n > 0 {
		c := commits[below+p.chance.IntN(n)]
		if c.LSN >= p.firstOn(b.ID) {
			// What came of the new branch would be of the old one too.
			return false
		}
		if e, known := p.entry(c.ID); known && e.Outcome.IsAck() && p.rowsSay(c.ID) == lost {
			b.Fork, p.moved = c.LSN+1, true
			p.attempts[c.ID] = true
			p.certain(compare.WitnessDisagreement, c.ID)
			p.certain(compare.Hole, c.ID)
			return true
		}
	}
	return false
}

// firstOn is the least position that was captured on a branch.
func (p *Plot) firstOn(branch pg.BranchID) pg.LSN {
	first := pg.LSN(1<<64 - 1)
	for _, commits := range p.Stream {
		for _, c := range commits {
			if c.Branch == branch {
				first = min(first, c.LSN)
			}
		}
	}
	return first
}

// survivorNode is the index of the survivor among the nodes, -1 if it is none.
func (p *Plot) survivorNode() int {
	return slices.IndexFunc(p.Nodes, func(n compare.NodeFacts) bool {
		return n.Reachable && n.Writable && n.Name == p.Facts.Survivor.Name
	})
}

// writable adds a node beside the survivor that takes writes too.
func (p *Plot) writable(branch pg.BranchID) bool {
	i := p.survivorNode()
	if i < 0 {
		return false
	}
	n := p.Nodes[i]
	n.Name, n.Branch, n.Start = "planted", branch, n.Start+pg.ProcessStart(1+p.chance.IntN(1000))
	if b, known := p.Facts.Branches.Of(branch); known {
		n.Timeline = b.Timeline
	}
	p.Nodes = append(p.Nodes, n)
	return true
}

// zombie changes nothing: who descends from the other is the survivor.
func zombie(p *Plot) bool {
	b := p.fork()
	return b != nil && p.writable(b.Parent)
}

func sibling(p *Plot) bool {
	b := p.fork()
	if b == nil || p.survivorNode() < 0 {
		return false
	}
	twin := *b
	twin.ID, twin.Fork, twin.Starts = pg.BranchID(len(p.Facts.Branches)+1), b.Fork+8, nil
	p.Facts.Branches = append(p.Facts.Branches, twin)
	return p.writable(twin.ID) && p.unprove()
}

func stranger(p *Plot) bool { return p.writable(0) && p.unprove() }

func unreachable(p *Plot) bool {
	i := p.survivorNode()
	if i < 0 {
		return false
	}
	p.Nodes[i] = compare.NodeFacts{Name: p.Nodes[i].Name, Why: "planted: it does not answer"}
	return p.unprove()
}

// unprove says that no survivor can be named.
func (p *Plot) unprove() bool {
	p.Facts.Survivor.Proven, p.Facts.Survivor.Why = false, "planted"
	return true
}

// choose has the survivor chosen from what the nodes said, and tells whether
// that is what was planted.
func (p *Plot) choose(o *Outcome) {
	choice, err := compare.Choose(p.Nodes, p.Facts.Branches, p.lastAck())
	if (err == nil) != p.Facts.Survivor.Proven {
		o.wrong("a survivor had to be proven: %v, and the choice was %v", p.Facts.Survivor.Proven, err)
		return
	}
	if err == nil && p.Nodes[choice.Index].Name != p.Facts.Survivor.Name {
		o.wrong("the survivor is %s, and %s was chosen", p.Facts.Survivor.Name, p.Nodes[choice.Index].Name)
	}
}

// lastAck is where the attempt was acked that was sent last of those acked.
func (p *Plot) lastAck() compare.LastAck {
	var at time.Time
	var ack compare.LastAck
	for _, d := range p.Facts.Drivers {
		for _, r := range p.Facts.Reserves {
			for _, e := range p.Ledgers[r.Worker] {
				if sent := d.Started.Add(e.Sent); r.Driver == d.ID && e.Outcome.IsAck() && sent.After(at) {
					at, ack = sent, compare.LastAck{Branch: p.branchOf(d.ID, e.Conn)}
					for _, c := range d.Connections {
						if c.Conn() == e.Conn {
							ack.System, ack.Timeline, ack.Start = c.System, c.Timeline, c.Start
						}
					}
				}
			}
		}
	}
	return ack
}

func unheardEnd(p *Plot) bool {
	p.Facts.Capture.Complete, p.Facts.Capture.Why = false, "planted: its end did not come"
	return true
}

func lostEnd(p *Plot) bool {
	p.Facts.SentinelKept = nil
	return true
}

func unaskedTables(p *Plot) bool {
	p.Facts.TableWorkers = nil
	p.doubt("the rows were not compared")
	return true
}

func problem(p *Plot) bool {
	p.Facts.Problems = append(p.Facts.Problems, "planted: the disk was full")
	p.doubt("something went wrong")
	return true
}
