package slots

import (
	"slices"
	"testing"
)

func TestWeigh(t *testing.T) {
	if v, also := Weigh(); v != NotChecked || len(also) != 0 {
		t.Errorf("of nothing: %v, %v", v, also)
	}
	v, also := Weigh(Survived, GapRecreated, NotChecked, LostMissing, GapRecreated)
	if v != LostMissing || !slices.Equal(also, []Verdict{GapRecreated, Survived, NotChecked}) {
		t.Errorf("%v, also %v", v, also)
	}
	var zero Verdict
	if zero.String() != "not_checked" {
		t.Errorf("the zero value is %v", zero)
	}
}
