package verdict

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/slots"
)

// Each reason for which capture left a gap is a verdict on the slot that it met.
func TestGapTellsOfSlot(t *testing.T) {
	for reason, want := range map[string][]slots.Verdict{
		"slot missing":                            {slots.LostMissing, slots.GapRecreated},
		"slot lost":                               {slots.LostInvalidated, slots.GapRecreated},
		"slot invalidated: wal_removed":           {slots.LostInvalidated, slots.GapRecreated},
		"slot cannot be read: no such file":       {slots.LostInvalidated, slots.GapRecreated},
		"slot confirmed past the end of the log":  {slots.GapPoisoned, slots.GapRecreated},
		"slot ahead of what was stored":           {slots.GapSkipped},
		"it held back more than 64 MB of the log": {slots.GapRecreated},
	} {
		s := slotVerdict{name: "s", node: "n", why: map[slots.Verdict]string{}}
		s.missed(txn.Gap{From: 1, To: 2, Reason: reason})
		if !slices.Equal(s.verdicts, want) {
			t.Errorf("%s: %v, want %v", reason, s.verdicts, want)
		}
		if s.facts().Fate != compare.SlotBroken || s.rows(0)[0].Verdict != want[0].String() {
			t.Errorf("%s: %+v, %+v", reason, s.facts(), s.rows(0))
		}
	}
}

// Where a log went backwards to nobody knows where, a slot that stands on it is not
// proven to have skipped anything, nor to have skipped nothing. One that was gone is
// lost all the same.
func TestGapOfUnknownBeginning(t *testing.T) {
	for reason, want := range map[string]struct {
		fate compare.SlotFate
		row  string
	}{
		"slot ahead of what was stored": {compare.SlotUnproven, "not_checked"},
		"slot missing":                  {compare.SlotBroken, "lost_missing"},
	} {
		s := slotVerdict{name: "s", node: "n", why: map[slots.Verdict]string{}}
		s.missed(txn.Gap{From: 0, To: 2, Reason: reason})
		if fate, row := s.facts().Fate, s.rows(0)[0]; fate != want.fate || row.Verdict != want.row || row.Reason == "" {
			t.Errorf("%s: fate %d, %+v", reason, fate, row)
		}
	}
}

// Only a slot of which nothing is unproven is kept.
func TestSlotFacts(t *testing.T) {
	for _, tc := range []struct {
		said []slots.Verdict
		lost int64
		fate compare.SlotFate
		row  string
	}{
		{nil, 0, compare.SlotUnproven, "not_checked"},
		{[]slots.Verdict{slots.NotChecked}, 0, compare.SlotUnproven, "not_checked"},
		{[]slots.Verdict{slots.Survived}, 0, compare.SlotKept, "survived"},
		{[]slots.Verdict{slots.SurvivedRewound}, 3, compare.SlotKept, "ahead"},
		{[]slots.Verdict{slots.Ahead, slots.NotChecked}, 0, compare.SlotUnproven, "ahead"},
		{[]slots.Verdict{slots.LostMissing, slots.NotChecked}, 3, compare.SlotBroken, "lost_missing"},
	} {
		s := slotVerdict{verdicts: tc.said, why: map[slots.Verdict]string{}}
		if fate, row := s.facts().Fate, s.rows(tc.lost)[0]; fate != tc.fate || row.Verdict != tc.row {
			t.Errorf("%v: fate %d, %+v", tc.said, fate, row)
		}
	}
}

// What a gap leaves out never comes: the repo has all from its end on.
func TestConsumed(t *testing.T) {
	known := pg.Branches{{ID: 1, Timeline: 1}, {ID: 2, Timeline: 2}}
	for _, tc := range []struct {
		name  string
		p     repo.Progress
		gaps  []txn.Gap
		end   pg.LSN
		there bool
	}{
		{"fresh", repo.Progress{Branch: 1, Start: 5}, nil, 5, false},
		{"stored", repo.Progress{Branch: 1, Start: 5, End: 7, FollowedTo: 9}, nil, 9, false},
		{"went on", repo.Progress{Branch: 2, Start: 5, End: 7}, nil, 7, true},
		{"made again, nothing stored yet", repo.Progress{Branch: 1, Start: 5, End: 9}, []txn.Gap{{Branch: 2, To: 8}}, 8, true},
		{"a gap at the end", repo.Progress{Branch: 2, Start: 5, End: 7}, []txn.Gap{{Branch: 2, To: 8}, {Branch: 1, To: 20}}, 8, true},
	} {
		if c := consumed(known, tc.p, tc.gaps, 2); c.end != tc.end || c.there != tc.there || (c.on.ID == 2) != tc.there {
			t.Errorf("%s: %+v", tc.name, c)
		}
	}
}

// A position that there is not is null in the report, and no 0/0.
func TestUnknownPositionIsNull(t *testing.T) {
	text, err := json.Marshal(shown(&pg.Slot{Confirmed: 0x3000060}))
	if err != nil || !strings.Contains(string(text), `"restart_lsn":null`) || !strings.Contains(string(text), `"confirmed_flush_lsn":"0/3000060"`) {
		t.Errorf("%s, %v", text, err)
	}
	target, err := node.Parse("postgres://user@host:5432/db")
	if err != nil {
		t.Fatal(err)
	}
	e := &run.Evidence{Visits: []run.Visit{{Target: target, Identity: node.Identity{InRecovery: true}}}, NoSurvivor: errors.New("none")}
	if text, err = json.Marshal(nodes(e)); err != nil || !strings.Contains(string(text), `"lsn":null`) {
		t.Errorf("%s, %v", text, err)
	}
}
