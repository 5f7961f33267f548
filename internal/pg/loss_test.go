package pg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The attempts of a connection may be added in any order.
func TestToldInAnyOrder(t *testing.T) {
	want := Told{First: 50, Sent: 10, Acked: 80, Received: 20}
	var got Told
	got.Attempt(60, 12)
	got.Attempt(50, 10)
	got.Attempt(0, 5) // it was told nothing
	got.Ack(80, 20)
	got.Ack(70, 30)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What is no loss, and what a loss leaves as it was decided.
func TestKnownLeavesAlone(t *testing.T) {
	decided := func(at int64, start ProcessStart, b BranchID) Contact {
		return Contact{At: at, System: 7, Timeline: 1, Start: start, Branch: b}
	}
	missed := looked(decided(30, 10, 2), 80, Absent)
	for _, tc := range []struct {
		name     string
		known    int
		contacts []Contact
		told     []Told
		want     []BranchID
	}{
		{
			"told the very LSN of the ack", 0,
			[]Contact{contact(1, 1, 10, 50, atOne), contact(30, 1, 10, 80, atOne)},
			[]Told{{50, 2, 80, 20}, {80, 31, 95, 40}},
			[]BranchID{1, 1},
		},
		{
			"the ack of another observer, whose times say nothing", 0,
			[]Contact{contact(1, 1, 10, 50, atOne), by(4, contact(30, 1, 10, 60, atOne))},
			[]Told{{50, 2, 80, 20}, {60, 31, 95, 40}},
			[]BranchID{1, 1},
		},
		{
			"a contact that was of no use", 0,
			[]Contact{contact(1, 1, 10, 50, atOne), contact(29, 1, 10, 85, atOne), contact(30, 1, 10, 60, atOne)},
			[]Told{{50, 2, 80, 20}, {}, {60, 31, 95, 40}},
			[]BranchID{1, 1, 2},
		},
		{
			"a failed look that was decided by", 2,
			[]Contact{decided(1, 10, 1), missed},
			[]Told{{50, 2, 80, 20}, {60, 31, 95, 40}},
			[]BranchID{1, 2},
		},
		{
			"what was decided before the loss", 2,
			[]Contact{decided(1, 10, 1), missed, contact(60, 1, 10, 62, atOne)},
			[]Told{{50, 2, 80, 20}, {60, 31, 75, 39}, {62, 62, 70, 63}},
			[]BranchID{1, 2, 3},
		},
		{
			"another process", 2,
			[]Contact{decided(1, 10, 1), missed, contact(60, 1, 10, 62, atOne), decided(70, 11, 1)},
			[]Told{{50, 2, 80, 20}, {60, 31, 75, 39}, {62, 62, 70, 63}, {}},
			[]BranchID{1, 2, 3, 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			known := Branches{
				{ID: 1, System: 7, Timeline: 1, HasHistory: true, Starts: []ProcessStart{10}, Reason: ReasonFirst},
				{ID: 2, System: 7, Timeline: 1, HasHistory: true, Starts: []ProcessStart{10}, Reason: ReasonBackwards},
			}[:tc.known]
			_, got := Trace(known, Known(numbered(tc.contacts), func(c Contact) Told { return tc.told[c.Number-1] }))
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
