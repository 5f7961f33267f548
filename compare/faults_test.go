package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
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
