package txn

import "testing"

func TestClockBoundsCover(t *testing.T) {
	none := ClockBound{}
	for _, c := range []struct{ a, b, want ClockBound }{
		{none, none, none},
		{none, ClockBound{5, 2}, ClockBound{5, 2}},
		{ClockBound{5, 2}, none, ClockBound{5, 2}},
		{ClockBound{5, 2}, ClockBound{5, 2}, ClockBound{5, 2}},
		{ClockBound{5, 9}, ClockBound{6, 2}, ClockBound{5, 9}},
		{ClockBound{-10, 1}, ClockBound{10, 3}, ClockBound{1, 12}},
		// An odd width is rounded to the wider side.
		{ClockBound{0, 1}, ClockBound{3, 1}, ClockBound{1, 3}},
	} {
		for _, got := range []ClockBound{c.a.Cover(c.b), c.b.Cover(c.a)} {
			if got != c.want {
				t.Errorf("%v and %v cover %v, want %v", c.a, c.b, got, c.want)
			}
		}
	}
	if none.Measured() || !(ClockBound{0, 1}).Measured() {
		t.Error("only a bound with an error is measured")
	}
}
