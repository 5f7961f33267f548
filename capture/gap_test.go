package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What recorded gaps explain is heard, in whatever order they were recorded; a gap
// that begins further on explains nothing before it.
func TestHeardByGaps(t *testing.T) {
	for _, tc := range []struct {
		name string
		gaps []txn.Gap
		want pg.LSN
	}{
		{"one after the other", []txn.Gap{{Branch: 1, From: 50, To: 60}, {Branch: 1, From: 60, To: 70}}, 70},
		{"recorded the other way round", []txn.Gap{{Branch: 1, From: 60, To: 70}, {Branch: 1, From: 50, To: 60}}, 70},
		{"further on", []txn.Gap{{Branch: 1, From: 55, To: 70}}, 50},
	} {
		p := Past{On: 1, Branches: line(100), Progress: repo.Progress{Branch: 1, End: 50, Start: 10}, Gaps: tc.gaps}
		if got := p.Heard(); got != tc.want {
			t.Errorf("%s: heard up to %v, want %v", tc.name, got, tc.want)
		}
	}
}

// What is early, or sent again, is told on the branch that owns a commit.
func TestRuleIsOfTheOwner(t *testing.T) {
	unclear := line(100)
	unclear[1].Parent, unclear[1].Fork, unclear[1].Unclear = 0, 0, true
	p := Past{On: 2, Branches: unclear, StartBranch: 1, Progress: repo.Progress{Start: 20}}
	if b, f := p.Rule(10); b != 2 || f != Keep {
		t.Errorf("below the first position, on another branch: branch %d, fate %d, want 2, kept", b, f)
	}
	p = Past{On: 2, Branches: line(100), StartBranch: 1, Progress: repo.Progress{Start: 20}, HighWater: map[pg.BranchID]pg.LSN{1: 80}}
	if b, f := p.Rule(50); b != 1 || f != Resent {
		t.Errorf("below what is stored of the parent: branch %d, fate %d, want 1, sent again", b, f)
	}
}

// Of a gap of the parent only the part below the fork is one of the connection's
// branch.
func TestGapOfTheParentEndsAtTheFork(t *testing.T) {
	gap := txn.Gap{Branch: 1, From: 50, To: 200}
	p := Past{On: 2, Branches: line(100), HighWater: map[pg.BranchID]pg.LSN{1: 200, 2: 180}, Gaps: []txn.Gap{gap}}
	if b, f := p.Rule(150); b != 2 || f != Resent {
		t.Errorf("past the fork: branch %d, fate %d, want 2, sent again", b, f)
	}
	if d := cmp.Diff([]Shrink{{gap, 100}}, p.Filled(40, 300)); d != "" {
		t.Error(d)
	}
}

// A run that stored anything, or that began its stream, is missing what a slot
// does not send.
func TestNotFresh(t *testing.T) {
	for name, p := range map[string]Past{
		"a stored commit":  {On: 1, Branches: line(100), HighWater: map[pg.BranchID]pg.LSN{1: 30}},
		"a first position": {On: 1, Branches: line(100), Progress: repo.Progress{Start: 30}},
	} {
		if _, missing := p.Missing("s", 80, "r"); !missing {
			t.Errorf("%s: nothing is missing", name)
		}
	}
}

// A gap that shrank is what is left of it, and the others are as they were.
func TestGapThatShrank(t *testing.T) {
	first, second := txn.Gap{Branch: 1, From: 20, To: 30}, txn.Gap{Branch: 1, From: 50, To: 70}
	p := Past{On: 1, Branches: line(100), Gaps: []txn.Gap{first, second}}
	p.shrink(Shrink{Gap: second, From: 60})
	if d := cmp.Diff([]txn.Gap{first, {Branch: 1, From: 60, To: 70}}, p.Gaps); d != "" {
		t.Error(d)
	}
}
