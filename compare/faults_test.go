package compare_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Two starts are two server processes, also where neither said which cluster
// it is of: a run that expects no fault must not overlook the change.
func TestFaultOfServersThatDoNotSayTheirSystem(t *testing.T) {
	ev := failover(nil, nil)
	ev.facts.Drivers[0].Probes = nil
	for i := range ev.facts.Drivers[0].Connections {
		ev.facts.Drivers[0].Connections[i].System = 0
	}
	ev.facts.BranchOf = nil
	c := testCase()
	c.Expect = compare.ExpectNone
	if res, _ := ev.judge(t, c); res.Verdict != compare.Inconclusive || res.FaultsSeen != 1 {
		t.Errorf("verdict %v, %d faults seen, want inconclusive, 1", res.Verdict, res.FaultsSeen)
	}
}

// A survivor on a branch that no writer met went through a fault, after the load
// or while nobody wrote: where none was expected the run is not met, and where
// one was, nobody saw the service return.
func TestFaultThatTheLoadDidNotMeet(t *testing.T) {
	for name, test := range map[string]struct {
		expect  compare.Expect
		spoil   func(ev *evidence)
		faults  int
		verdict compare.Verdict
		says    string
	}{
		"none expected":  {compare.ExpectNone, func(*evidence) {}, 1, compare.Inconclusive, "1 fault was seen, and none was expected"},
		"a fault wanted": {compare.ExpectFault, func(*evidence) {}, 1, compare.Inconclusive, "the survivor is another server process, or on another branch, than any that the load met"},
		"none happened": {compare.ExpectNone, func(ev *evidence) {
			ev.facts.Survivor.Branch = 1
		}, 0, compare.Met, ""},
		"not known where one writer was": {compare.ExpectFault, func(ev *evidence) {
			ev.facts.BranchOf = func(txn.Driver, txn.Conn) pg.BranchID { return 0 }
		}, 0, compare.Inconclusive, "no fault was seen"},
		"which node survived is not known": {compare.ExpectFault, func(ev *evidence) {
			ev.facts.Survivor.Proven = false
		}, 0, compare.Inconclusive, "no fault was seen"},
		"seen by another": {compare.ExpectFault, func(ev *evidence) {
			again := ev.facts.Drivers[0].Connections[0]
			again.Number, again.Start = 3, 101
			ev.facts.Drivers[0].Connections = append(ev.facts.Drivers[0].Connections, again)
			ev.facts.BranchOf = func(txn.Driver, txn.Conn) pg.BranchID { return 1 }
		}, 2, compare.Met, ""},
	} {
		ev := newEvidence()
		for range 5 {
			ev.keep(0, before)
			ev.keep(1, before)
		}
		ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
		test.spoil(ev)
		c := testCase()
		c.Expect = test.expect
		res, _ := ev.settle().judge(t, c)
		if res.FaultsSeen != test.faults || res.Verdict != test.verdict {
			t.Errorf("%s: %d faults seen, verdict %v (%v), want %d, %v", name, res.FaultsSeen, res.Verdict, res.Reasons, test.faults, test.verdict)
		}
		if test.says != "" && !slices.ContainsFunc(res.Reasons, func(r string) bool { return strings.Contains(r, test.says) }) {
			t.Errorf("%s: %q is not among the reasons %q", name, test.says, res.Reasons)
		}
	}
}
