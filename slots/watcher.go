package slots

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Watcher remembers what was last seen of each node, and says of each further look
// what has changed. It does no I/O and belongs to one goroutine; [NewWatcher] makes
// one.
type Watcher struct {
	sights map[string]*sight
	// system is the first node that told of what cluster it is, and leader the one
	// that was last seen to take writes, as it was then.
	system, leader Node
	// weights are those that were met, without repetition.
	weights []Weight
}

// sight is what was last seen of one node.
type sight struct {
	last Node
	// looked says that there was a look, seen that one showed the node, and away
	// that the last one did not.
	looked, seen, away bool
	// gone are the slots that a promise was made for and that are not there.
	gone map[string]pg.Slot
	// left are the slots that the node, which took writes, still has as a standby.
	// Unless somebody reads from them there, nobody needs them, and before a copy of
	// the new primary's comes they must go.
	left map[string]bool
}

// NewWatcher makes one for the nodes of these names.
func NewWatcher(names ...string) *Watcher {
	w := &Watcher{sights: map[string]*sight{}}
	for _, name := range names {
		w.sights[name] = &sight{gone: map[string]pg.Slot{}}
	}
	return w
}

// Step takes a look at a node, and says what has changed.
func (w *Watcher) Step(at time.Time, now Node, consumers map[string]pg.LSN) []Change {
	s := w.sights[now.Name]
	s.looked = true
	now = w.foreign(now)
	var all []Change
	switch {
	case now.Role == RoleUnreachable && s.away:
	case now.Role == RoleUnreachable:
		s.away = true
		all = []Change{{Node: now.Name, Role: now.Role, Kind: Away, Weight: Doubt, Text: now.Err}}
	case !s.seen:
		all = First(now)
		s.last, s.seen, s.away = now, true, false
		w.follow(now)
	default:
		all = w.again(s, now, consumers)
	}
	for i := range all {
		all[i].At = at
		if !slices.Contains(w.weights, all[i].Weight) {
			w.weights = append(w.weights, all[i].Weight)
		}
	}
	return all
}

// foreign takes a node of another cluster for one that is away.
func (w *Watcher) foreign(now Node) Node {
	if err := now.stranger(w.system); err != nil {
		return Node{Name: now.Name, Role: RoleUnreachable, Err: err.Error()}
	}
	if w.system.System == 0 {
		w.system = now
	}
	return now
}

// again compares a look with the one before.
func (w *Watcher) again(s *sight, now Node, consumers map[string]pg.LSN) []Change {
	var all []Change
	if now.Role == RolePrimary {
		s.left = nil
	}
	if s.away {
		all = append(all, Change{Node: now.Name, Role: now.Role, Kind: Back, Weight: Note, Text: now.Role + " again", Timeline: now.Timeline, End: now.End})
		if s.last.Role == now.Role {
			all[0].Text = "it is seen again, " + now.Role + " as before"
		} else {
			all[0].Text = fmt.Sprintf("it is seen again, %s now, and was %s", now.Role, s.last.Role)
		}
	}
	for _, c := range Between(s.last, now, consumers) {
		if s.left[c.Slot] && (c.Kind == Vanished || c.Kind == Remade) && !c.Before.Active {
			delete(s.left, c.Slot)
			c.Weight = Note
		}
		switch {
		case c.Kind == Vanished && c.Weight == Bad:
			s.gone[c.Slot] = *c.Before
		case c.Kind == Appeared:
			c = s.regained(c)
		}
		all = append(all, c)
	}
	promoted := s.last.Role == RoleStandby && now.Role == RolePrimary
	if s.last.Role == RolePrimary && now.Role == RoleStandby {
		s.left = own(now)
	}
	known := s.last.Timeline
	s.last, s.away = now, false
	if now.Timeline == 0 {
		// A standby without a receiver shows none.
		s.last.Timeline = known
	}
	if promoted {
		all = append(all, w.missing(s)...)
	}
	w.follow(now)
	return all
}

// own are the slots of a node that are no copies.
func own(n Node) map[string]bool {
	names := map[string]bool{}
	for _, slot := range n.Slots {
		if !slot.Synced {
			names[slot.Name] = true
		}
	}
	return names
}

func (w *Watcher) follow(now Node) {
	if now.Role == RolePrimary {
		w.leader = now
	}
}

// regained says of a slot that appeared that it had been there.
func (s *sight) regained(c Change) Change {
	b, known := s.gone[c.Slot]
	if !known {
		return c
	}
	delete(s.gone, c.Slot)
	c.Before, c.Kind, c.Weight = &b, Remade, Bad
	c.Text = fmt.Sprintf("it was gone, and was made again: now %s, before %s", described(*c.After), described(b))
	return c
}

// missing are the slots of the node that took writes before, which the one that was
// promoted has not.
func (w *Watcher) missing(s *sight) []Change {
	var all []Change
	if w.leader.Name == s.last.Name {
		return nil
	}
	for _, b := range w.leader.Slots {
		_, there := s.last.Slot(b.Name)
		_, said := s.gone[b.Name]
		if there || said || !b.Logical() || !promises(b) || isLost(b) {
			continue
		}
		s.gone[b.Name] = b
		all = append(all, Change{Node: s.last.Name, Role: s.last.Role, Slot: b.Name, Kind: Missing, Weight: Bad,
			Timeline: s.last.Timeline, End: s.last.End, Before: &b,
			Text: fmt.Sprintf("it was promoted without this slot, which %s has as %s", w.leader.Name, described(b))})
	}
	return all
}

// Reached says that a node was seen.
func (w *Watcher) Reached() bool { return w.any(func(s *sight) bool { return s.seen }) }

// Blind says that every node was looked for, and none was seen.
func (w *Watcher) Blind() bool {
	return !w.Reached() && !w.any(func(s *sight) bool { return !s.looked })
}

func (w *Watcher) any(is func(*sight) bool) bool {
	for _, s := range w.sights {
		if is(s) {
			return true
		}
	}
	return false
}

// Answer says whether all was well so far. A node that was not looked at leaves
// that untold.
func (w *Watcher) Answer() Answer {
	weights := slices.Clone(w.weights)
	if w.any(func(s *sight) bool { return !s.seen }) {
		weights = append(weights, Doubt)
	}
	return Conclude(weights...)
}

// refuse is the reason for which a node that is looked at for the first time cannot
// be watched at all, of kind trouble.
func (w *Watcher) refuse(now Node) error {
	if err := now.tooOld(); err != nil || w.sights[now.Name].seen {
		return err
	}
	return now.stranger(w.system)
}

func texts(all []Change) string {
	var lines []string
	for _, c := range all {
		lines = append(lines, c.Text)
	}
	return strings.Join(lines, "; ")
}
