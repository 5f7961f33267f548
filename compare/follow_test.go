package compare_test

import (
	"errors"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// Who follows the last ack is told by the branches; only where a history was not
// read do timeline and process stand in, both of them.
func TestWhoFollowsTheLastAck(t *testing.T) {
	last := compare.LastAck{Branch: 2, System: 7, Timeline: 2, Start: 200}
	restarted := node("restarted", 2)
	restarted.Start = 555
	sibling := node("sibling", 4)
	sibling.Timeline, sibling.Start = 2, 200
	unread := node("unread", 0)
	unread.Timeline, unread.Start = 2, 200
	elsewhere, promoted, unknown := unread, unread, unread
	elsewhere.Start, promoted.Timeline, unknown.Start = 999, 3, 0
	nobody := last
	nobody.Start = 0
	for _, test := range []struct {
		name    string
		node    compare.NodeFacts
		last    compare.LastAck
		follows bool
	}{
		{"the same branch, another process", restarted, last, true},
		{"a stranger of the same timeline and process", sibling, last, false},
		{"no history, the very process", unread, last, true},
		{"no history, another process", elsewhere, last, false},
		{"no history, another timeline", promoted, last, false},
		{"no history, processes that are not known", unknown, nobody, false},
	} {
		_, err := compare.Choose([]compare.NodeFacts{test.node}, line(), test.last)
		if (err == nil) != test.follows || err != nil && !errors.Is(err, compare.ErrNoSurvivor) {
			t.Errorf("%s: %v, want it to follow: %v", test.name, err, test.follows)
		}
	}
}

// Servers whose processes are not known may be two.
func TestServersOfUnknownProcesses(t *testing.T) {
	a, b := node("a", 2), node("b", 2)
	a.Start, b.Start = 0, 0
	if choice, err := compare.Choose([]compare.NodeFacts{a, b}, line(), compare.LastAck{Branch: 2}); err == nil {
		t.Errorf("node %d is the survivor, want none", choice.Index)
	}
}
