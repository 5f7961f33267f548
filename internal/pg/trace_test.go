package pg

import "testing"

// A parent that was found while it had no double is doubtful once it has one.
func TestParentThatGetsADouble(t *testing.T) {
	first := []Contact{contact(1, 1, 10, 50, atOne), contact(5, 2, 20, 150, fork100)}
	known, _ := Trace(nil, first)
	if _, rel := known.Cut(1, 2); rel != Ancestor {
		t.Fatalf("Cut(1, 2) = %d, want ancestor", rel)
	}
	// Another observer saw timeline 1 go backwards before the promotion.
	all := append(first, looked(contact(3, 1, 11, 40, atOne), 90, Absent))
	bs, _ := Trace(known, all)
	if len(bs) != 3 {
		t.Fatalf("%d branches, want 3", len(bs))
	}
	for _, of := range []BranchID{1, 3} {
		if _, rel := bs.Cut(of, 2); rel != Unknown {
			t.Errorf("Cut(%d, 2) = %d, want unknown", of, rel)
		}
	}
}
