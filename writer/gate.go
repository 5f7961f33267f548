package writer

import (
	"context"
	"sync"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// gate sees to it that a driver looks whether its last acked transaction is
// there before any of its workers sends to a server process that is new to it,
// and again after any connection was lost: a server that shows a known timeline
// may have lost its end. One worker looks, the others wait for it.
type gate struct {
	mu     sync.Mutex
	floors map[line]floor
	looks  map[process]*look
	// era counts the losses: a look counts only until the next one.
	era uint64
}

// line is a log by its name, which does not prove it to be one log.
type line struct {
	system   pg.SystemID
	timeline pg.Timeline
}

// process is one server process on a line.
type process struct {
	line
	start pg.ProcessStart
}

// floor is the driver's acked attempt with the greatest LSN on a line; its zero
// value is none.
type floor struct {
	id  txn.ID
	lsn pg.LSN
}

// look is one look at a server process. The gate guards its state, which is
// final before done is closed.
type look struct {
	era   uint64
	done  chan struct{}
	state lookState
}

// lookState is what has become of a look.
type lookState uint8

const (
	underway lookState = iota
	// looked: the result is recorded, and others may pass.
	looked
	// fruitless: there is no result, and the next one looks.
	fruitless
)

func newGate() *gate {
	return &gate{floors: make(map[line]floor), looks: make(map[process]*look)}
}

// turn is the duty to look; whoever has it must end it by saw or failed.
type turn struct {
	gate *gate
	at   process
	look *look
	// floor is what to look for; nothing if it is zero.
	floor floor
}

// enter returns the duty to look at this server process, or nil once another
// worker's look lets the caller pass.
func (g *gate) enter(ctx context.Context, p process) (*turn, error) {
	for {
		g.mu.Lock()
		l := g.looks[p]
		switch {
		case l != nil && l.state == underway:
		case l != nil && l.state == looked && l.era == g.era:
			g.mu.Unlock()
			return nil, nil
		default:
			l = &look{era: g.era, done: make(chan struct{})}
			g.looks[p] = l
			t := &turn{gate: g, at: p, look: l, floor: g.floors[p.line]}
			g.mu.Unlock()
			return t, nil
		}
		g.mu.Unlock()
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// saw ends the turn after a look whose result was recorded. An absent marker
// proves that the line lost its end: what is acked there from now on is what
// later looks ask for.
func (t *turn) saw(p pg.Presence) {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	if p == pg.Absent && t.gate.floors[t.at.line] == t.floor {
		delete(t.gate.floors, t.at.line)
	}
	t.end(looked)
}

// failed ends the turn without a result; the next worker looks. It does nothing
// after saw.
func (t *turn) failed() {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.end(fruitless)
}

// end says what became of the look, once. The gate's lock is held.
func (t *turn) end(s lookState) {
	if t.look.state != underway {
		return
	}
	t.look.state = s
	close(t.look.done)
}

// acked raises the floor of a line.
func (g *gate) acked(l line, id txn.ID, lsn pg.LSN) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if lsn > g.floors[l].lsn {
		g.floors[l] = floor{id, lsn}
	}
}

// lost says that a connection ended not by our doing: all looks are to be done
// again.
func (g *gate) lost() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.era++
}
