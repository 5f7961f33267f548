package plant

import (
	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func markerPlanters() []*Planter {
	return []*Planter{
		{
			Name: "transaction taken away whole", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction},
			plant: func(p *Plot) bool {
				return p.lose(func(a *attempt, e txn.Entry) bool { return e.Outcome == txn.Acked })
			},
		}, {
			Name: "captured transaction taken away whole", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction, compare.CapturedLost},
			plant: func(p *Plot) bool {
				return p.lose(func(a *attempt, e txn.Entry) bool { return e.Outcome == txn.Acked && p.commitsOf(a.ID) == 1 })
			},
		}, {
			Name: "transaction taken away from survivor and stream", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction}, plant: loseFromBoth,
		}, {
			Name: "transaction taken away in the middle of a session", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction, compare.Hole}, plant: hole,
		}, {
			Name: "captured transaction below the fork taken away", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction, compare.CapturedLost, compare.Hole, compare.WitnessDisagreement},
			plant:   loseBelowFork,
		}, {
			Name: "transaction with the warning taken away", Reach: Local,
			Classes: []compare.Class{compare.LostUnreplicated}, plant: loseWarned,
		}, {
			Name: "marker taken away, rows left", Reach: Local,
			Classes: []compare.Class{compare.LostTransaction, compare.TornTransaction}, plant: tear,
		}, {
			Name: "lost transaction brought back", Reach: Local, plant: bringBack,
		}, {
			Name: "lost transaction taken out of the stream", Reach: Local, plant: loseFromStream,
		}, {
			Name: "failed transaction put there whole", Reach: Local,
			Classes: []compare.Class{compare.PhantomTransaction}, plant: phantom,
		}, {
			Name: "marker with another checksum", Reach: Local,
			Classes: []compare.Class{compare.CaptureMismatch}, plant: alterMarker,
		}, {
			Name: "marker with another checksum, not captured", Reach: Local,
			Classes: []compare.Class{compare.CaptureGap}, plant: alterUnseenMarker,
		}, {
			Name: "marker that promises another number of rows", Reach: Local,
			Classes: []compare.Class{compare.CaptureMismatch}, plant: miscountMarker,
		},
	}
}

// commitsOf is at how many positions the stream showed an attempt.
func (p *Plot) commitsOf(id txn.ID) int { return len(p.commits(id)) }

// take takes marker and rows of an acked attempt away.
func (p *Plot) take(a *attempt) {
	p.claim(a)
	p.unmark(a)
	e, _ := p.entry(a.ID)
	if e.Outcome == txn.AckedUnreplicated {
		p.of(compare.LostUnreplicated, a.ID)
	} else {
		p.of(compare.LostTransaction, a.ID)
	}
	if p.commitsOf(a.ID) > 0 {
		p.of(compare.CapturedLost, a.ID)
	}
}

// keptWhole tells whether an acked attempt is there, and may be altered with all
// its rows.
func (p *Plot) keptWhole(a *attempt, e txn.Entry) bool {
	return e.Outcome.IsAck() && p.there(a.ID) && p.freeRows(a)
}

func (p *Plot) lose(fits func(*attempt, txn.Entry) bool) bool {
	a := p.find(func(a *attempt, e txn.Entry) bool { return p.keptWhole(a, e) && fits(a, e) })
	if a == nil {
		return false
	}
	p.take(a)
	p.regrow(a)
	return true
}

func loseFromBoth(p *Plot) bool {
	a := p.find(func(a *attempt, e txn.Entry) bool { return p.keptWhole(a, e) && e.Outcome == txn.Acked })
	if a == nil {
		return false
	}
	p.forget(a.ID)
	p.take(a)
	p.regrow(a)
	return true
}

// forget takes an attempt out of the stream, with what of it came again: the
// deliveries of one record end at one position.
func (p *Plot) forget(id txn.ID) {
	var rest []txn.Commit
	ends := map[pg.LSN]bool{}
	for _, c := range p.Stream[id.Worker] {
		switch {
		case c.Seq != id.Seq:
			rest = append(rest, c)
		case ends[c.End]:
			p.repeats--
		default:
			ends[c.End] = true
		}
	}
	p.Stream[id.Worker] = rest
}

// hole takes an attempt away whose successor on the same connection stays.
func hole(p *Plot) bool {
	var next txn.ID
	a := p.find(func(a *attempt, e txn.Entry) bool {
		next = txn.ID{Run: a.Run, Worker: a.Worker, Seq: a.Seq + 1}
		after, known := p.entry(next)
		return p.keptWhole(a, e) && e.Outcome == txn.Acked && e.Conn != 0 && known && after.Conn == e.Conn && after.Outcome.IsAck() &&
			p.there(next) && !p.attempts[next]
	})
	if a == nil {
		return false
	}
	p.attempts[txn.ID{Run: a.Run, Worker: a.Worker, Seq: a.Seq + 1}] = true
	p.take(a)
	p.regrow(a)
	p.certain(compare.Hole, a.ID)
	return true
}

func loseBelowFork(p *Plot) bool {
	var a *attempt
	if !p.lose(func(b *attempt, e txn.Entry) bool {
		a = b
		return e.Outcome == txn.Acked && p.logSays(p.commits(b.ID)) == lives
	}) {
		return false
	}
	p.certain(compare.Hole, a.ID)
	p.certain(compare.WitnessDisagreement, a.ID)
	return true
}

// loseWarned turns an ack into one with the warning first. The plan does not
// tell the two apart.
func loseWarned(p *Plot) bool {
	a := p.find(func(a *attempt, e txn.Entry) bool { return p.keptWhole(a, e) })
	if a == nil {
		return false
	}
	p.Ledgers[a.Worker][a.Seq-1].Outcome = txn.AckedUnreplicated
	p.take(a)
	p.regrow(a)
	return true
}

// tear leaves the rows as they are: what the attempt wrote is torn, what it
// deleted is missing, as it was before.
func tear(p *Plot) bool {
	writes := func(a *attempt) bool {
		for _, op := range a.ops {
			at := place{a.Worker, op.ID}
			if v := last(p.alive(at)); v.Seq == a.Seq && v.There() {
				return true
			}
		}
		return false
	}
	a := p.find(func(a *attempt, e txn.Entry) bool {
		return p.keptWhole(a, e) && e.Outcome == txn.Acked && writes(a)
	})
	if a == nil {
		return false
	}
	for _, op := range a.ops {
		at := place{a.Worker, op.ID}
		alive := p.alive(at)
		if v := last(alive); v.Seq != a.Seq {
			continue
		} else if v.There() {
			p.ofRow(compare.TornTransaction, at, a.Seq)
		} else if before := last(alive[:len(alive)-1]); before.There() {
			p.ofRow(compare.MissingRow, at, before.Seq)
		}
	}
	p.take(a)
	return true
}

// bringBack puts a lost attempt on the survivor, as a divergent old primary
// would that was joined to it.
func bringBack(p *Plot) bool {
	a := p.search(func(a *attempt, e txn.Entry) bool {
		return e.Outcome == txn.Acked && p.rowsSay(a.ID) == lost && p.freeRows(a)
	})
	if a == nil || p.Marks[a.Worker] == nil || p.Tables[a.Worker] == nil {
		return false
	}
	p.claim(a)
	p.mark(a)
	p.regrow(a)
	p.undo(compare.LostTransaction, a.ID)
	p.undo(compare.CapturedLost, a.ID)
	if p.commitsOf(a.ID) == 0 {
		p.of(compare.CaptureGap, a.ID)
	}
	return true
}

// loseFromStream leaves only what the client was told to say where a lost
// transaction was.
func loseFromStream(p *Plot) bool {
	a := p.search(func(a *attempt, e txn.Entry) bool {
		return e.Outcome.IsAck() && p.rowsSay(a.ID) == lost && p.commitsOf(a.ID) > 0
	})
	if a == nil {
		return false
	}
	p.attempts[a.ID] = true
	p.forget(a.ID)
	p.undo(compare.CapturedLost, a.ID)
	return true
}

func phantom(p *Plot) bool {
	a := p.find(func(a *attempt, e txn.Entry) bool {
		return e.Outcome == txn.Failed && p.rowsSay(a.ID) == lost && p.commitsOf(a.ID) == 0 && p.freeRows(a) &&
			p.Marks[a.Worker] != nil && p.Tables[a.Worker] != nil
	})
	if a == nil {
		return false
	}
	p.claim(a)
	p.mark(a)
	p.regrow(a)
	p.of(compare.PhantomTransaction, a.ID)
	p.of(compare.CaptureGap, a.ID)
	return true
}

// keptAndShown tells whether an acked attempt is there and came once.
func (p *Plot) keptAndShown(a *attempt, e txn.Entry) bool {
	return e.Outcome.IsAck() && p.there(a.ID) && p.commitsOf(a.ID) == 1
}

func alterMarker(p *Plot) bool {
	_, ok := p.alterSumOfMarker()
	return ok
}

// alterUnseenMarker leaves no stream that the marker could be held against.
func alterUnseenMarker(p *Plot) bool {
	a, ok := p.alterSumOfMarker()
	if !ok {
		return false
	}
	p.forget(a.ID)
	p.undo(compare.CaptureMismatch, a.ID)
	p.of(compare.CaptureGap, a.ID)
	return true
}

// alterSumOfMarker gives the marker of a captured attempt another checksum, which
// reading all content finds too.
func (p *Plot) alterSumOfMarker() (*attempt, bool) {
	a, ok := p.remark(func(m *txn.Marker) { m.Sum ^= txn.Sum(1 + p.chance.Int32N(1<<30)) })
	if ok && p.Case.Payload == compare.PayloadFull {
		p.of(compare.CorruptRow, a.ID)
	}
	return a, ok
}

func miscountMarker(p *Plot) bool {
	if _, ok := p.remark(func(m *txn.Marker) { m.Ops++ }); !ok {
		return false
	}
	p.doubt("a marker does not fit the plan")
	return true
}

// remark alters the marker of a captured attempt: it is not the one that came.
func (p *Plot) remark(alter func(*txn.Marker)) (*attempt, bool) {
	a := p.find(p.keptAndShown)
	if a == nil {
		return nil, false
	}
	p.attempts[a.ID] = true
	m := p.Marks[a.Worker][a.Seq]
	alter(&m)
	p.Marks[a.Worker][a.Seq] = m
	p.mismatchMarker(a.ID)
	return a, true
}

// mismatchMarker promises a mismatch that only the survivor's marker shows.
func (p *Plot) mismatchMarker(id txn.ID) {
	p.of(compare.CaptureMismatch, id)
	p.besideMarker[Key{Class: compare.CaptureMismatch, Worker: id.Worker, Seq: id.Seq}] = true
}
