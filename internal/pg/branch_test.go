package pg

import "testing"

// A server that may not tell its system identifier is on no other cluster for
// that: nothing is known across it.
func TestUnknownSystemIsNoStranger(t *testing.T) {
	bs := Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 0, Timeline: 2},
		{ID: 3, System: 8, Timeline: 1, HasHistory: true},
	}
	for _, pair := range [][2]BranchID{{1, 2}, {2, 1}} {
		if _, rel := bs.Cut(pair[0], pair[1]); rel != Unknown {
			t.Errorf("Cut(%d, %d) = %d, want unknown", pair[0], pair[1], rel)
		}
		if survives, known := bs.Survives(Position{Branch: pair[0], LSN: 5}, pair[1]); known {
			t.Errorf("Survives(%d on %d) = %t, known", pair[0], pair[1], survives)
		}
	}
	if _, rel := bs.Cut(1, 3); rel != Stranger {
		t.Errorf("Cut(1, 3) = %d, want stranger", rel)
	}
}
