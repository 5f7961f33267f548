package pg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The end of the log was asked for before the look, and others were acked
// between: a marker that is there breaks nothing.
func TestPresentMarkerAboveTheEndAskedBefore(t *testing.T) {
	_, ids := Trace(nil, []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 60, atOne), 65, Present)})
	if d := cmp.Diff([]BranchID{1, 1}, ids); d != "" {
		t.Error(d)
	}
}

// numbered gives the contacts numbers, and what each was told by number.
func numbered(contacts []Contact) []Contact {
	for i := range contacts {
		contacts[i].Number = uint32(i + 1)
	}
	return contacts
}

func TestKnown(t *testing.T) {
	other := contact(31, 1, 10, 52, atOne)
	other.Observer = 4
	for _, tc := range []struct {
		name     string
		contacts []Contact
		told     []Told
		want     []BranchID
	}{
		{
			"nothing went back",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(30, 1, 10, 90, atOne)},
			[]Told{{50, 2, 80, 20}, {81, 31, 95, 40}},
			[]BranchID{1, 1},
		},
		{
			"told less than an ack that was received before",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(30, 1, 10, 60, atOne)},
			[]Told{{50, 2, 80, 20}, {60, 31, 95, 40}},
			[]BranchID{1, 2},
		},
		{
			"told less by an attempt sent before the ack came",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(5, 1, 10, 60, atOne)},
			[]Told{{50, 2, 80, 20}, {60, 19, 95, 40}},
			[]BranchID{1, 1},
		},
		{
			"another process is another matter",
			[]Contact{contact(1, 1, 10, 50, atOne), looked(contact(30, 1, 11, 90, atOne), 80, Present)},
			[]Told{{50, 2, 80, 20}, {60, 31, 95, 40}},
			[]BranchID{1, 1},
		},
		{
			"a connection of the new log that was used late",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(29, 1, 10, 55, atOne), contact(30, 1, 10, 60, atOne)},
			[]Told{{50, 2, 80, 20}, {90, 40, 95, 41}, {60, 31, 85, 39}},
			[]BranchID{1, 2, 2},
		},
		{
			"the look found it too, on a connection that sent nothing",
			[]Contact{contact(1, 1, 10, 50, atOne), looked(contact(28, 1, 10, 55, atOne), 80, Absent), contact(30, 1, 10, 60, atOne)},
			[]Told{{50, 2, 80, 20}, {}, {60, 31, 85, 39}},
			[]BranchID{1, 2, 2},
		},
		{
			"two losses",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(30, 1, 10, 60, atOne), contact(60, 1, 10, 62, atOne), contact(61, 1, 10, 62, atOne)},
			[]Told{{50, 2, 80, 20}, {60, 31, 75, 39}, {62, 62, 70, 63}, {71, 64, 72, 65}},
			[]BranchID{1, 2, 3, 3},
		},
		{
			"two losses, both looked for",
			[]Contact{contact(1, 1, 10, 50, atOne), looked(contact(30, 1, 10, 60, atOne), 80, Absent), looked(contact(60, 1, 10, 62, atOne), 75, Absent)},
			[]Told{{50, 2, 80, 20}, {60, 31, 75, 39}, {62, 62, 70, 63}},
			[]BranchID{1, 2, 3},
		},
		{
			"decided before the ledger was read",
			[]Contact{{At: 1, System: 7, Timeline: 1, Start: 10, Branch: 1}, {At: 30, System: 7, Timeline: 1, Start: 10, Branch: 1}},
			[]Told{{50, 2, 80, 20}, {60, 31, 95, 40}},
			[]BranchID{1, 2},
		},
		{
			"two observers of one loss",
			[]Contact{contact(1, 1, 10, 50, atOne), contact(30, 1, 10, 60, atOne), {Observer: 4, At: 2, System: 7, Timeline: 1, Start: 10}, other},
			[]Told{{50, 3, 80, 20}, {60, 32, 95, 40}, {51, 3, 79, 21}, {61, 33, 96, 41}},
			[]BranchID{1, 2, 1, 2},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := numbered(tc.contacts)
			known := Branches(nil)
			if all[0].Branch != 0 {
				known = Branches{{ID: 1, System: 7, Timeline: 1, HasHistory: true, Starts: []ProcessStart{10}, Reason: ReasonFirst}}
			}
			_, got := Trace(known, Known(all, func(c Contact) Told { return tc.told[c.Number-1] }))
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A log that only grows is one branch, whatever the connections; what comes
// after it was cut back below an ack is another.
func TestKnownOfALog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Contact
		var want []BranchID
		told := map[uint32]Told{}
		now, end, branch := int64(1), LSN(100), BranchID(1)
		crashAt := rapid.IntRange(1, 9).Draw(t, "crash after so many connections")
		for n := range rapid.IntRange(1, 8).Draw(t, "connections") {
			if n == crashAt {
				end -= LSN(rapid.IntRange(10, 20).Draw(t, "lost"))
				branch = 2
			}
			now++
			c := contact(now, 1, 10, end, atOne)
			c.Number = uint32(n + 1)
			var w Told
			for range rapid.IntRange(1, 4).Draw(t, "attempts") {
				now++
				w.Attempt(end, now)
				now++
				w.Ack(end, now)
				end += LSN(rapid.IntRange(1, 9).Draw(t, "grows"))
			}
			all, want, told[c.Number] = append(all, c), append(want, branch), w
		}
		_, got := Trace(nil, Known(all, func(c Contact) Told { return told[c.Number] }))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}
