package pg

import "testing"

// A line of branches that ends at one whose history was not read may go on to any
// other: nothing on that one is proven lost.
func TestLineThatEndsAtAHistoryNotRead(t *testing.T) {
	bs := Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 7, Timeline: 2},
		{ID: 3, System: 7, Timeline: 3, HasHistory: true, Parent: 2, Fork: 0x3000},
	}
	if _, rel := bs.Cut(1, 3); rel != Unknown {
		t.Errorf("branch 1 stands to 3 as %v, want unknown", rel)
	}
	if survives, known := bs.Survives(Position{1, 0x1000}, 3); known {
		t.Errorf("the position is known, survives: %v", survives)
	}
}
