package selftest

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/verdict"
	"github.com/pgrpo/pgrpo/slots"
)

// Each verdict on a slot is planted, and decided as it was planted: after a
// failover, and on a log that was not left.
func TestSlotPlots(t *testing.T) {
	gone := compare.Facts{
		Branches: pg.Branches{
			{ID: 1, System: 7, Timeline: 1, HasHistory: true},
			{ID: 2, System: 7, Timeline: 2, HasHistory: true, History: pg.History{{Parent: 1, End: 0x3000}}, Parent: 1, Fork: 0x3000},
		},
		Survivor: compare.Survivor{Branch: 2, Proven: true}, Capture: compare.CaptureFacts{Followed: pg.Position{Branch: 2, LSN: 0x5000}},
	}
	same := gone
	same.Survivor.Branch, same.Capture.Followed.Branch = 1, 1
	planted := map[slots.Verdict]bool{}
	for name, f := range map[string]compare.Facts{"failover": gone, "restart": same} {
		for _, s := range slotPlots() {
			q, shares := slotQuestion(f)
			if !s.alter(&q, shares) {
				continue
			}
			planted[s.want] = true
			if d := slots.Decide(q); d.Verdict != s.want || verdict.SlotFate(d.Verdict, d.Also) != s.fate {
				t.Errorf("%s, %s: %v, also %v: %s; want %v", name, s.name, d.Verdict, d.Also, d.Reason, s.want)
			}
		}
	}
	if got, want := len(planted), len(newSlotTally().lines()); got != want {
		t.Errorf("%d verdicts are planted, of %d", got, want)
	}
}
