package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A worker that the run has, and of which neither the repo nor the survivor
// knows anything, may have lost all that it was promised.
func TestWorkerOfWhichNothingIsLeft(t *testing.T) {
	ev := failover(nil, nil)
	ev.facts.Workers = []txn.Worker{0, 1}
	if res, _ := ev.judge(t, testCase()); res.Verdict != compare.Met {
		t.Fatalf("verdict %v of a whole run: %q", res.Verdict, res.Reasons)
	}
	ev.facts.Reserves = ev.facts.Reserves[:1]
	delete(ev.entries, 1)
	delete(ev.markers, 1)
	delete(ev.commits, 1)
	ev.facts.MarkerWorkers, ev.facts.CommitWorkers = []txn.Worker{0}, []txn.Worker{0}
	if res, _ := ev.judge(t, testCase()); res.Verdict != compare.Inconclusive {
		t.Errorf("verdict %v, want inconclusive", res.Verdict)
	}
}
