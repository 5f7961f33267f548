package verdict

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/slots"
)

// bearing are the changes among those that a watch saw which speak of the slot that
// the run's stream was read from: on the survivor once it took writes, and before that
// on whichever server did. A server that took writes besides the survivor is nobody's.
func bearing(seen []slots.Change, slot, survivor string) []slots.Change {
	led := func(c slots.Change) bool { return c.Node == survivor && c.Role == slots.RolePrimary }
	var before, since []slots.Change
	for _, c := range seen {
		switch {
		case led(c):
			since = append(since, c)
		case len(since) == 0 && c.Role == slots.RolePrimary:
			before = append(before, c)
		}
	}
	var all []slots.Change
	for _, c := range append(before, since...) {
		if c.Slot == slot {
			all = append(all, c)
		}
	}
	return all
}

// saw says what the watch saw that the slot on the survivor need not show any more,
// and capture need not have met. A slot that capture made again begins where the gap
// that it recorded ends: that is no jump.
func (s *slotVerdict) saw(all []slots.Change, gaps []txn.Gap) {
	for _, c := range all {
		why := fmt.Sprintf("seen at %s on %s: %s", c.At.UTC().Format("15:04:05.000"), c.Node, c.Text)
		switch {
		case c.Kind == slots.Remade && c.Weight == slots.Bad:
			s.say(slots.GapRecreated, why)
		case c.Kind == slots.Jumped && c.After != nil && slices.ContainsFunc(gaps, func(g txn.Gap) bool { return g.To == c.After.Confirmed }):
		case c.Kind == slots.Jumped && c.Weight == slots.Bad:
			s.say(slots.GapSkipped, why)
		case c.Kind == slots.Poisoned:
			s.say(slots.GapPoisoned, why)
		}
	}
}
