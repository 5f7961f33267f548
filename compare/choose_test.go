package compare_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// line is three branches in one line, a sibling of the second that left the
// first earlier, and one whose history is not known.
func line() pg.Branches {
	return pg.Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 7, Timeline: 2, HasHistory: true, Parent: 1, Fork: 0x3000},
		{ID: 3, System: 7, Timeline: 3, HasHistory: true, Parent: 2, Fork: 0x4000},
		{ID: 4, System: 7, Timeline: 2, HasHistory: true, Parent: 1, Fork: 0x2000},
		{ID: 5, System: 7, Timeline: 1, Unclear: true},
		{ID: 6, System: 8, Timeline: 1, HasHistory: true},
	}
}

func node(name string, branch pg.BranchID) compare.NodeFacts {
	return compare.NodeFacts{Name: name, Reachable: true, Writable: true, Branch: branch, System: 7, Timeline: pg.Timeline(branch), Start: pg.ProcessStart(branch) * 100}
}

func TestChoose(t *testing.T) {
	standby := compare.NodeFacts{Name: "standby", Reachable: true, Branch: 2}
	gone := compare.NodeFacts{Name: "gone", Why: "refused"}
	on := func(b pg.BranchID) compare.LastAck {
		return compare.LastAck{Branch: b, System: 7, Timeline: pg.Timeline(b), Start: pg.ProcessStart(b) * 100}
	}
	other := node("other", 2)
	other.Start = 999
	stranger := node("stranger", 6)
	stranger.System = 8
	unread := node("unread", 0)
	unread.Timeline, unread.Start = 1, 100
	for _, test := range []struct {
		name  string
		nodes []compare.NodeFacts
		last  compare.LastAck
		want  compare.Choice
		err   string
	}{
		{"the same branch", []compare.NodeFacts{standby, node("a", 1)}, on(1), compare.Choice{Index: 1}, ""},
		{"a descendant", []compare.NodeFacts{node("c", 3), standby}, on(1), compare.Choice{Index: 0}, ""},
		{"the old one takes writes too", []compare.NodeFacts{node("a", 1), node("b", 2)}, on(2), compare.Choice{Index: 1, Zombies: []int{0}}, ""},
		{"the old one acked last", []compare.NodeFacts{node("a", 1), node("b", 2)}, on(1), compare.Choice{Index: 1, Zombies: []int{0}}, ""},
		{"one server by two names", []compare.NodeFacts{node("b", 2), node("also b", 2)}, on(2), compare.Choice{Index: 0}, ""},
		{"an unreachable one does not block", []compare.NodeFacts{gone, node("b", 2)}, on(1), compare.Choice{Index: 1, Unreachable: []int{0}}, ""},
		{"no history, the same process", []compare.NodeFacts{unread}, on(1), compare.Choice{Index: 0}, ""},
		{"no history, another process", []compare.NodeFacts{unread}, on(2), compare.Choice{Index: -1}, "not proven to descend"},
		{"two servers on one branch", []compare.NodeFacts{node("b", 2), other}, on(2), compare.Choice{Index: -1}, "b, other all take writes"},
		{"siblings", []compare.NodeFacts{node("b", 2), node("d", 4)}, on(1), compare.Choice{Index: -1}, "b, d all take writes"},
		{"nobody's descendant", []compare.NodeFacts{node("d", 4)}, on(2), compare.Choice{Index: -1}, "not proven to descend"},
		{"an ancestor of the last ack", []compare.NodeFacts{node("a", 1), gone}, on(2), compare.Choice{Index: -1, Unreachable: []int{1}}, "not reachable: gone"},
		{"continuity broke", []compare.NodeFacts{node("e", 5)}, on(1), compare.Choice{Index: -1}, "not proven to descend"},
		{"no ack known", []compare.NodeFacts{node("a", 1)}, compare.LastAck{}, compare.Choice{Index: -1}, "not proven to descend"},
		{"another cluster", []compare.NodeFacts{stranger}, on(1), compare.Choice{Index: -1}, "of another cluster than the run's, by the system identifier: stranger"},
		{"another cluster beside it", []compare.NodeFacts{node("b", 2), stranger}, on(2), compare.Choice{Index: -1}, "of another cluster than the run's, by the system identifier: stranger"},
		{"only standbys", []compare.NodeFacts{standby, gone}, on(1), compare.Choice{Index: -1, Unreachable: []int{1}}, "no node that answered takes writes"},
		{"nobody", nil, on(1), compare.Choice{Index: -1}, "no node"},
	} {
		got, err := compare.Choose(test.nodes, line(), test.last)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.err != "" && (!errors.Is(err, compare.ErrNoSurvivor) || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v, want one that says %q", test.name, err, test.err)
		}
	}
}

// A server whose log an earlier survivor has left behind is no survivor, whether
// that one is asked or not.
func TestOutrun(t *testing.T) {
	for _, test := range []struct {
		name            string
		chosen, earlier pg.BranchID
		outrun          bool
	}{
		{"the same branch", 2, 2, false},
		{"a descendant", 3, 2, false},
		{"its ancestor", 1, 3, true},
		{"a sibling", 4, 2, false},
		{"continuity broke", 5, 1, false},
		{"unknown", 0, 2, false},
	} {
		err := compare.Outrun(node("now", test.chosen), line(), node("before", test.earlier))
		if errors.Is(err, compare.ErrNoSurvivor) != test.outrun {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
