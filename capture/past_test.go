package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// line makes branches 1 and 2, of which 2 left 1 at fork.
func line(fork pg.LSN) pg.Branches {
	return pg.Branches{
		{ID: 1, System: 7, Timeline: 1, HasHistory: true},
		{ID: 2, System: 7, Timeline: 2, HasHistory: true, History: pg.History{{Parent: 1, End: fork}}, Parent: 1, Fork: fork},
	}
}

func TestResume(t *testing.T) {
	broken := line(100)
	broken[1].Unclear = true
	for _, tc := range []struct {
		name                 string
		past                 Past
		serverEnd, confirmed pg.LSN
		want                 pg.LSN
	}{
		{"nothing stored", Past{On: 1, Branches: line(100)}, 500, 50, 0},
		{"same branch", Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 90}}, 500, 50, 90},
		{"above the fork: H1", Past{On: 2, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 300}}, 500, 50, 100},
		{"below the fork", Past{On: 2, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 80}}, 500, 50, 80},
		{
			"high water of the ancestor, progress of a stranger",
			Past{On: 2, Branches: line(100), Progress: repo.Progress{Branch: 9, End: 300}, HighWater: map[pg.BranchID]pg.LSN{1: 95}}, 500, 50, 95,
		},
		{"fork unknown", Past{On: 2, Branches: broken, Progress: repo.Progress{Branch: 1, End: 80}}, 500, 50, 0},
		{"server ends before what is stored", Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 90}}, 80, 50, 0},
		{
			"slot still has a gap",
			Past{
				On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 90},
				Gaps: []txn.Gap{{Branch: 1, From: 40, To: 60}},
			}, 500, 30, 40,
		},
		{
			"slot still has a gap that was half filled",
			Past{
				On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 50}, HighWater: map[pg.BranchID]pg.LSN{1: 90},
				Gaps: []txn.Gap{{Branch: 1, From: 40, To: 60}},
			}, 500, 30, 50,
		},
		{
			"slot is past the gap",
			Past{
				On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 90},
				Gaps: []txn.Gap{{Branch: 1, From: 40, To: 60}},
			}, 500, 60, 90,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.past.Resume(tc.serverEnd, tc.confirmed); got != tc.want {
				t.Errorf("Resume = %v, want %v", got, tc.want)
			}
		})
	}
}

// Whatever was stored: the stream never resumes above the fork, above what is
// stored, or above the end of the server's log.
func TestResumeBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) pg.LSN { return pg.LSN(rapid.Uint64Range(0, 300).Draw(t, name)) }
		fork, serverEnd := at("fork"), at("server end")
		p := Past{
			On: 2, Branches: line(fork),
			Progress:  repo.Progress{Branch: pg.BranchID(rapid.IntRange(0, 3).Draw(t, "branch")), End: at("end"), FollowedTo: at("followed")},
			HighWater: map[pg.BranchID]pg.LSN{1: at("high water 1"), 2: at("high water 2")},
		}
		got := p.Resume(serverEnd, at("confirmed"))
		limit := max(p.HighWater[2], min(fork, p.HighWater[1]))
		switch p.Branch {
		case 1:
			limit = max(limit, min(fork, p.End))
		case 2:
			limit = max(limit, p.End)
		}
		if got > limit || got > serverEnd {
			t.Fatalf("Resume = %v, limit %v, server ends at %v", got, limit, serverEnd)
		}
	})
}

func TestMissing(t *testing.T) {
	for _, tc := range []struct {
		name string
		past Past
		from pg.LSN
		want txn.Gap
	}{
		{"first start", Past{On: 1, Branches: line(100)}, 50, txn.Gap{}},
		{"slot where it was left", Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 50, Start: 10}}, 50, txn.Gap{}},
		{"idle server", Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 50, FollowedTo: 70, Start: 10}}, 70, txn.Gap{}},
		{
			"slot ahead",
			Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 50, Start: 10}}, 80,
			txn.Gap{Slot: "s", Branch: 1, From: 50, To: 80, Reason: "r"},
		},
		{
			"slot made again after a promotion: from the fork",
			Past{On: 2, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 300, FollowedTo: 310, Start: 10}}, 150,
			txn.Gap{Slot: "s", Branch: 2, From: 100, To: 150, Reason: "r"},
		},
		{
			"a lagging capture: from the last stored",
			Past{On: 2, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 60, FollowedTo: 65, Start: 10}}, 150,
			txn.Gap{Slot: "s", Branch: 2, From: 65, To: 150, Reason: "r"},
		},
		{
			"recorded already",
			Past{
				On: 2, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 60, Start: 10},
				Gaps: []txn.Gap{{Branch: 2, From: 60, To: 150}},
			}, 150, txn.Gap{},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, found := tc.past.Missing("s", tc.from, "r")
			if d := cmp.Diff(tc.want, got); d != "" || found != (tc.want != txn.Gap{}) {
				t.Errorf("found %v: %s", found, d)
			}
		})
	}
}

func TestRule(t *testing.T) {
	p := Past{
		On: 2, Branches: line(100), StartBranch: 1, Progress: repo.Progress{Branch: 2, End: 130, Start: 20},
		HighWater: map[pg.BranchID]pg.LSN{1: 90, 2: 130}, Gaps: []txn.Gap{{Branch: 2, From: 60, To: 110}},
	}
	for _, tc := range []struct {
		start  pg.LSN
		branch pg.BranchID
		fate   Fate
	}{
		{10, 1, Early},
		{20, 1, Resent},
		{59, 1, Resent},
		{60, 1, Keep},  // in the gap, before the fork
		{100, 2, Keep}, // in the gap, after the fork
		{110, 2, Resent},
		{129, 2, Resent},
		{130, 2, Keep},
	} {
		if b, f := p.Rule(tc.start); b != tc.branch || f != tc.fate {
			t.Errorf("Rule(%d) = branch %d, fate %d, want %d, %d", tc.start, b, f, tc.branch, tc.fate)
		}
	}
	// A gap that is half filled keeps only the rest.
	p.Progress.End = 105
	if _, f := p.Rule(104); f != Resent {
		t.Error("what was filled is kept again")
	}
	if _, f := p.Rule(105); f != Keep {
		t.Error("the rest of the gap is dropped")
	}
}

func TestFilled(t *testing.T) {
	gap := txn.Gap{Branch: 2, From: 60, To: 110}
	p := Past{On: 2, Branches: line(100), Gaps: []txn.Gap{gap}}
	for _, tc := range []struct {
		from, end pg.LSN
		want      []Shrink
	}{
		{60, 80, []Shrink{{gap, 80}}},
		{50, 200, []Shrink{{gap, 110}}},
		{70, 200, nil},
		{50, 60, nil},
	} {
		if d := cmp.Diff(tc.want, p.Filled(tc.from, tc.end)); d != "" {
			t.Errorf("Filled(%d, %d): %s", tc.from, tc.end, d)
		}
	}
}
