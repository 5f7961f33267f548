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

// What a branch shares with an ancestor whose own fork is unknown is not known to be
// lost to a branch beside them: only what is the branch's own is.
func TestUnknownForkBehindABranch(t *testing.T) {
	bs := Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 7, Timeline: 1, HasHistory: true, Unclear: true},
		{ID: 3, System: 7, Timeline: 2, HasHistory: true, Parent: 2, Fork: 0x3000},
	}
	if survives, known := bs.Survives(Position{Branch: 3, LSN: 0x2fff}, 1); known {
		t.Errorf("before the fork: survives %t, known", survives)
	}
	if survives, known := bs.Survives(Position{Branch: 3, LSN: 0x3000}, 1); survives || !known {
		t.Errorf("past the fork: survives %t, known %t; want lost", survives, known)
	}
}
