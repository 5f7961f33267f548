package pg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unread is a contact whose history nobody could read.
func unread(at int64, system SystemID, tl Timeline, start ProcessStart) Contact {
	return Contact{At: at, System: system, Timeline: tl, Start: start}
}

// System, timeline and history together are the identity of a branch. A
// history that was not read tells nothing apart; the rest does.
func TestIdentity(t *testing.T) {
	other := contact(2, 1, 20, 60, atOne)
	other.System = 8
	for name, second := range map[string]Contact{
		"another system":                        other,
		"another timeline, history not read":    unread(2, 7, 2, 20),
		"another timeline, the history is read": contact(2, 2, 20, 60, fork100),
	} {
		_, ids := Trace(nil, []Contact{contact(1, 1, 10, 50, atOne), second})
		if d := cmp.Diff([]BranchID{1, 2}, ids); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A history line means a branch of its own system and timeline only.
func TestParentIsOfTheSystemAndTheTimeline(t *testing.T) {
	elsewhere := contact(1, 1, 10, 50, atOne)
	elsewhere.System = 8
	for name, first := range map[string]Contact{"another system": elsewhere, "another timeline": unread(1, 7, 9, 10)} {
		bs, _ := Trace(nil, []Contact{first, contact(2, 2, 20, 110, fork100)})
		if bs[1].Parent != 0 {
			t.Errorf("%s: the parent is branch %d, want none", name, bs[1].Parent)
		}
	}
}

// A branch whose history nobody read may be the parent that a line names.
func TestParentWhoseHistoryWasNotRead(t *testing.T) {
	bs, _ := Trace(nil, []Contact{unread(1, 7, 2, 20), contact(2, 3, 30, 210, History{{1, 100, "r"}, {2, 200, "r"}})})
	if cut, rel := bs.Cut(1, 2); cut != 200 || rel != Ancestor {
		t.Errorf("Cut(1, 2) = %v, %v, want 200, ancestor", cut, rel)
	}
}

// Past a line that may mean several branches no parent is looked for: what was
// shared up to there is not known.
func TestNoParentPastAnUnclearStep(t *testing.T) {
	known := Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 7, Timeline: 2, HasHistory: true, History: fork100},
		{ID: 3, System: 7, Timeline: 2, HasHistory: true, History: fork100},
	}
	bs, ids := Trace(known, []Contact{contact(4, 3, 30, 210, History{fork100[0], {2, 200, "r"}})})
	if b := bs[ids[0]-1]; b.ID != 4 || b.Parent != 0 || !b.Unclear {
		t.Errorf("branch %d has the parent %d, unclear: %v; want branch 4 to have none, unclear", b.ID, b.Parent, b.Unclear)
	}
}

// Timeline 1 has no history file: its history is known to be empty, whoever met
// it.
func TestHistoryOfTheFirstTimelineIsKnown(t *testing.T) {
	bs, _ := Trace(nil, []Contact{unread(1, 7, 1, 10), contact(2, 2, 20, 110, fork100)})
	if _, rel := bs.Cut(2, 1); rel != Stranger {
		t.Errorf("Cut(2, 1) = %v, want stranger", rel)
	}
}

// Who is a stranger is proven by two systems, or by two histories.
func TestStranger(t *testing.T) {
	bs := Branches{
		{ID: 1, System: 7, Timeline: 5},
		{ID: 2, System: 8, Timeline: 5},
		{ID: 3, System: 7, Timeline: 1, HasHistory: true},
	}
	for _, tc := range []struct {
		of, on BranchID
		want   Relation
	}{{1, 2, Stranger}, {1, 3, Unknown}, {3, 1, Unknown}} {
		if _, rel := bs.Cut(tc.of, tc.on); rel != tc.want {
			t.Errorf("Cut(%d, %d) = %v, want %v", tc.of, tc.on, rel, tc.want)
		}
	}
	if survives, known := bs.Survives(Position{1, 5}, 1); !survives || !known {
		t.Errorf("a record of the branch itself: survives %v, known %v", survives, known)
	}
}

// A process is found on a branch of its own system and timeline, and an
// identity names a branch only if no other has it.
func TestLocateAndIdentified(t *testing.T) {
	bs := Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true, Starts: []ProcessStart{10}},
		{ID: 2, System: 7, Timeline: 2, HasHistory: true, History: fork100, Starts: []ProcessStart{20}},
		{ID: 3, System: 7, Timeline: 2, HasHistory: true, History: fork100, Starts: []ProcessStart{30}},
	}
	for _, tc := range []struct {
		system SystemID
		tl     Timeline
		start  ProcessStart
		want   BranchID
	}{{7, 1, 10, 1}, {7, 2, 30, 3}, {7, 1, 30, 0}, {8, 2, 30, 0}} {
		if got, found := bs.Locate(tc.system, tc.tl, tc.start); got != tc.want || found != (tc.want != 0) {
			t.Errorf("Locate(%d, %d, %d) = %d, %v, want %d", tc.system, tc.tl, tc.start, got, found, tc.want)
		}
	}
	if got := bs.Identified(contact(1, 1, 99, 50, atOne)); got != 1 {
		t.Errorf("an identity that one branch has names %d, want 1", got)
	}
	if got := bs.Identified(contact(1, 2, 99, 50, fork100)); got != 0 {
		t.Errorf("an identity that two branches have names %d, want none", got)
	}
}
