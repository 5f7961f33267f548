package verdict

import (
	"slices"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/slots"
)

// Only what befell the slot where it was read counts: on the survivor once it took
// writes, and on the server before it until then.
func TestBearing(t *testing.T) {
	change := func(node, role, slot string, k slots.Kind) slots.Change {
		return slots.Change{Node: node, Role: role, Slot: slot, Kind: k, Weight: slots.Bad, Text: "x"}
	}
	const p, s = slots.RolePrimary, slots.RoleStandby
	all := []slots.Change{
		change("old", p, "", slots.Watching),
		change("new", s, "", slots.Watching),
		change("old", p, "own", slots.Rewound),
		change("new", s, "own", slots.Remade),
		change("old", p, "other", slots.Remade),
		change("new", p, "", slots.Promoted),
		change("new", p, "own", slots.Jumped),
		change("old", p, "own", slots.Poisoned),
	}
	got := bearing(all, "own", "new")
	if len(got) != 2 || got[0].Kind != slots.Rewound || got[1].Kind != slots.Jumped {
		t.Errorf("%+v", got)
	}
	if got := bearing(all, "own", "old"); len(got) != 2 || got[0].Kind != slots.Rewound || got[1].Kind != slots.Poisoned {
		t.Errorf("%+v", got)
	}
}

// What the watch saw breaks a slot that looks well at the end, and nothing that it
// saw makes a slot good.
func TestSaw(t *testing.T) {
	for _, tc := range []struct {
		kind   slots.Kind
		weight slots.Weight
		want   []slots.Verdict
	}{
		{slots.Remade, slots.Bad, []slots.Verdict{slots.GapRecreated}},
		{slots.Remade, slots.Note, nil},
		{slots.Jumped, slots.Bad, []slots.Verdict{slots.GapSkipped}},
		{slots.Jumped, slots.Doubt, nil},
		{slots.Poisoned, slots.Bad, []slots.Verdict{slots.GapPoisoned}},
		{slots.Vanished, slots.Bad, nil},
		{slots.Active, slots.Note, nil},
	} {
		s := slotVerdict{name: "s", node: "n", why: map[slots.Verdict]string{}}
		s.saw([]slots.Change{{At: time.Unix(0, 0), Node: "n", Kind: tc.kind, Weight: tc.weight, Text: "words", After: &pg.Slot{Confirmed: 0x300}}},
			[]txn.Gap{{From: 0x100, To: 0x200}})
		if !slices.Equal(s.verdicts, tc.want) {
			t.Errorf("%s %s: %v, want %v", tc.kind, tc.weight, s.verdicts, tc.want)
		}
		if len(tc.want) > 0 && (s.facts().Fate != compare.SlotBroken || s.rows(0)[0].Reason != "seen at 00:00:00.000 on n: words") {
			t.Errorf("%s: %+v, %+v", tc.kind, s.facts(), s.rows(0))
		}
	}
}

// A slot that capture made again begins where the gap that it recorded ends: that is no
// jump of its own.
func TestSawWhatCaptureMade(t *testing.T) {
	s := slotVerdict{name: "s", node: "n", why: map[slots.Verdict]string{}}
	s.saw([]slots.Change{{Node: "n", Kind: slots.Jumped, Weight: slots.Bad, Text: "words", After: &pg.Slot{Confirmed: 0x200}}}, []txn.Gap{{From: 0x100, To: 0x200}})
	if len(s.verdicts) > 0 {
		t.Errorf("%v", s.verdicts)
	}
}
