package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Where every ack came with the warning, nothing was promised: that none of it
// was lost proves nothing.
func TestNothingWasPromised(t *testing.T) {
	ev := failover(nil, nil)
	for _, entries := range ev.entries {
		for i := range entries {
			entries[i].Outcome = txn.AckedUnreplicated
		}
	}
	if res, _ := ev.judge(t, testCase()); res.Verdict != compare.Inconclusive {
		t.Errorf("verdict %v, want inconclusive", res.Verdict)
	}
	c := testCase()
	c.Acks = compare.StrictAcks
	if res, _ := ev.judge(t, c); res.Verdict != compare.Met {
		t.Errorf("strict acks: verdict %v, want met", res.Verdict)
	}
}
