package pg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A process that is new to a branch resumes it only with a log at or past all
// that anybody knows of it, and the last marker there.
func TestNewProcessResumes(t *testing.T) {
	for _, tc := range []struct {
		name                string
		known, own, reaches LSN
		marker              Presence
		want                bool
	}{
		{"all is there", 80, 60, 90, Present, true},
		{"the log ends at the floor", 80, 80, 80, Present, true},
		{"below what the branch is known to have", 80, 0, 70, Present, false},
		{"below what its observer had acked", 60, 80, 70, Present, false},
		{"nobody looked", 80, 80, 90, NotLooked, false},
		{"the marker is missing", 80, 80, 90, Absent, false},
		{"nothing is known", 0, 0, 50, NotLooked, true},
		{"nothing is known, and a marker is missing", 0, 0, 50, Absent, false},
	} {
		b := Branch{ID: 1, System: 7, Timeline: 1, Floor: tc.known}
		if got := b.resumes(looked(contact(2, 1, 11, tc.reaches, atOne), tc.own, tc.marker)); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// A floor is of the branch only if its marker was seen there.
func TestFloorOfAMarkerThatWasSeen(t *testing.T) {
	first := contact(1, 1, 10, 90, atOne)
	restarted := looked(contact(2, 1, 11, 70, atOne), 60, Present)
	for _, tc := range []struct {
		marker Presence
		want   []BranchID
	}{{Present, []BranchID{1, 2}}, {NotLooked, []BranchID{1, 1}}} {
		_, ids := Trace(nil, []Contact{looked(first, 80, tc.marker), restarted})
		if d := cmp.Diff(tc.want, ids); d != "" {
			t.Errorf("a floor whose marker is %v: %s", tc.marker, d)
		}
	}
}

// Only the process that opened a branch by going backwards may miss a marker
// there: it was acked before.
func TestMissingMarkerOfAProcessThatCameLater(t *testing.T) {
	b := Branch{ID: 2, System: 7, Timeline: 1, Starts: []ProcessStart{10, 11}, Reason: ReasonBackwards}
	for start, want := range map[ProcessStart]bool{10: true, 11: false} {
		if got := b.goesOn(looked(contact(5, 1, start, 90, atOne), 80, Absent)); got != want {
			t.Errorf("process %d goes on: %v, want %v", start, got, want)
		}
	}
}

// A process that lost its end without a restart opens a branch across which
// nothing is known.
func TestProcessThatWentBackwardsIsUnclear(t *testing.T) {
	bs, ids := Trace(nil, []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 90, atOne), 80, Absent)})
	if d := cmp.Diff([]BranchID{1, 2}, ids); d != "" {
		t.Fatal(d)
	}
	if bs[1].Reason != ReasonBackwards {
		t.Errorf("the reason is %q", bs[1].Reason)
	}
	if survives, known := bs.Survives(Position{1, 10}, 2); known {
		t.Errorf("the position is known, survives: %v", survives)
	}
}

// What any observer's look showed of a new process is heard by those that had
// nothing to look for.
func TestLooksOfOthers(t *testing.T) {
	first := contact(1, 1, 10, 50, atOne)
	idle := by(3, contact(2, 1, 11, 90, atOne)) // of who had nothing to look for
	for _, tc := range []struct {
		name     string
		contacts []Contact
		want     []BranchID
	}{
		{
			"the judge misses what the new process acked",
			[]Contact{first, looked(contact(2, 1, 11, 90, atOne), 60, Present), by(-2, looked(contact(3, 1, 11, 95, atOne), 80, Absent))},
			[]BranchID{1, 1, 2},
		},
		{
			"one look fails, and a later one does not",
			[]Contact{first, idle, by(5, looked(contact(3, 1, 11, 92, atOne), 80, Absent)), looked(contact(4, 1, 11, 95, atOne), 60, Present)},
			[]BranchID{1, 2, 2, 2},
		},
		{
			"a later look is for what the new process acked",
			[]Contact{first, idle, looked(contact(3, 1, 11, 92, atOne), 80, Present), looked(contact(4, 1, 11, 200, atOne), 150, Present)},
			[]BranchID{1, 1, 1, 1},
		},
		{
			"a look on a log that was said to end below what was looked for",
			[]Contact{first, idle, looked(contact(3, 1, 11, 92, atOne), 95, Present)},
			[]BranchID{1, 1, 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, ids := Trace(nil, tc.contacts)
			if d := cmp.Diff(tc.want, ids); d != "" {
				t.Error(d)
			}
		})
	}
}

// A process that a branch is known to have is judged by its own contacts, and a
// contact that was decided before is not judged again.
func TestWhatIsKnownIsNotJudgedAgain(t *testing.T) {
	known := Branches{{ID: 1, System: 7, Timeline: 1, HasHistory: true, Starts: []ProcessStart{10, 11}}}
	missed := by(5, looked(contact(3, 1, 11, 92, atOne), 80, Absent))
	_, ids := Trace(known, []Contact{looked(contact(2, 1, 11, 90, atOne), 60, Present), missed})
	if d := cmp.Diff([]BranchID{1, 2}, ids); d != "" {
		t.Errorf("a process that is known: %s", d)
	}
	missed.Branch = 1
	if _, ids := Trace(known, []Contact{missed}); ids[0] != 1 {
		t.Errorf("a contact that was decided to be on branch 1 is on %d", ids[0])
	}
}
