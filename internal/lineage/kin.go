package lineage

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Kin is how the logs of two nodes stand to each other.
type Kin string

// The kins. Untold is what cannot be told.
const (
	Untold Kin = "unknown"
	// OneServer is one server that was reached at two addresses.
	OneServer Kin = "one_server"
	// Together means that all that one of them has is part of the other's log.
	Together Kin = "together"
	// Forked means that each has what the other has not.
	Forked Kin = "forked"
	// Strangers are of different systems.
	Strangers Kin = "strangers"
)

// Pair is how the logs of nodes A and B stand to each other.
type Pair struct {
	A, B string
	Kin  Kin
	// Timeline is the last timeline that the two have in common.
	Timeline pg.Timeline
	// Fork is the first byte that their histories do not share, 0 if they are the
	// same. Of an Untold pair it is the position up to which they are one log, 0
	// if that is not known.
	Fork pg.LSN
	// PastA is how many bytes A has that B has not, PastB the reverse; nil where
	// the end of a log is not known.
	PastA, PastB *uint64
	// Why says why it cannot be told.
	Why string
}

// parting compares two chains. Up to the returned position they are one, by what
// the histories say, and step is the last that they have in common; the position
// is endless if they are the same. ok is false if they have no step in common.
func parting(a, b []pg.Step) (at pg.LSN, step int, ok bool) {
	for step < min(len(a), len(b)) && a[step] == b[step] {
		step++
	}
	// Of the same timeline one was left earlier than the other. Two that part
	// after a step which is wholly the same left it at one position.
	if step == min(len(a), len(b)) || a[step].Parent != b[step].Parent {
		step--
	}
	if step < 0 {
		return 0, 0, false
	}
	at = endless
	for _, s := range slices.Concat(a[step:], b[step:]) {
		at = min(at, s.End)
	}
	return at, step, true
}

// relate says how two nodes of the picture stand to each other.
func (p Picture) relate(a, b Node) Pair {
	pair := Pair{A: a.Name, B: b.Name, Kin: Untold}
	switch {
	case a.Role == Unreachable || b.Role == Unreachable:
		pair.Why = "not both were reached"
		return pair
	case a.System == 0 || b.System == 0:
		pair.Why = "the system of one is not known"
		return pair
	case a.System != b.System:
		pair.Kin = Strangers
		return pair
	case a.Start != 0 && a.Start == b.Start:
		pair.Kin = OneServer
		return pair
	}
	left, right := a.chain(), b.chain()
	if left == nil || right == nil {
		pair.Why = "the history of one is not known"
		return pair
	}
	fork, step, ok := parting(left, right)
	if !ok {
		pair.Why = fmt.Sprintf("their histories begin with different timelines, %d and %d", left[0].Parent, right[0].Parent)
		return pair
	}
	pair.Timeline = left[step].Parent
	if why := p.contested[keyOf(a.System, left[:step], pair.Timeline)]; why != "" {
		pair.Fork, pair.Why = begin(left, step), why
		return pair
	}
	if fork != endless {
		pair.Fork = fork
	}
	pair.measure(a, b, fork)
	return pair
}

// measure tells how far each is past what both have, and with it whether one is
// wholly part of the other.
func (p *Pair) measure(a, b Node, fork pg.LSN) {
	p.Kin = Together
	if a.End == 0 || b.End == 0 {
		if fork != endless {
			p.Kin = Forked
		}
		return
	}
	both := min(fork, a.End, b.End)
	pastA, pastB := uint64(a.End-both), uint64(b.End-both)
	p.PastA, p.PastB = &pastA, &pastB
	if pastA > 0 && pastB > 0 {
		p.Kin = Forked
	}
}
