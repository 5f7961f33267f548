package scenario_test

import (
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// A slot that the standby had a copy of survives, and no transaction is missing in
// the stream. One that it could not have is lost, also though capture made it
// again: what plain SQL finds on the survivor and not in the stream is the gap.
func TestFailoverSlot(t *testing.T) {
	binaries, err := sandboxtest.Binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr := play(t, scenario.FailoverSlot, 1)
	tr.isWhole(t)
	r, err := verdict.Reach(t.Context(), tr.evidence, compare.Case{Limits: compare.Limits{CDC: new(int64)}})
	if err != nil {
		t.Fatal(err)
	}
	tr.report = r
	unheard := tr.markers(t, tr.cluster.Standby)
	for id := range tr.captured(t) {
		delete(unheard, id)
	}
	gap := tr.findings(t, compare.CaptureGap)
	if len(gap.minus(unheard)) > 0 || len(unheard.minus(gap)) > 0 {
		t.Errorf("the gap is %v, by plain SQL %v", gap.list(), unheard.list())
	}
	if len(r.Slots) != 1 || r.Slots[0].Name != tr.evidence.Record.Slot || r.Slots[0].Before["plugin"] != "pgoutput" || r.Slots[0].Reason == "" {
		t.Fatalf("slots: %+v", r.Slots)
	}
	slot, cdc := r.Slots[0], tr.objective(compare.CDC)
	t.Logf("%+v", slot)
	if binaries.Major < 17 {
		if slot.Verdict != "lost_missing" || !slices.Contains(slot.Also, "gap_recreated") || slices.Contains(slot.Also, "survived") || cdc != "breached" {
			t.Errorf("slot %s, also %v; cdc %s", slot.Verdict, slot.Also, cdc)
		}
		if len(gap) == 0 {
			t.Error("the gap has no transaction: this proves nothing")
		}
		return
	}
	if slot.Verdict != "survived" && slot.Verdict != "survived_rewound" || cdc != "met" || slot.After["failover"] != true {
		t.Errorf("slot %s, also %v; cdc %s: %v", slot.Verdict, slot.Also, cdc, r.Reasons)
	}
	if (r.Capture.Duplicates > 0) != (slot.Verdict == "survived_rewound") || len(gap) > 0 || len(r.Capture.Gaps) > 0 {
		t.Errorf("slot %s, %d duplicates, gap %v, %+v", slot.Verdict, r.Capture.Duplicates, gap.list(), r.Capture.Gaps)
	}
}

// captured returns the attempts that the repo has of the stream.
func (tr *trial) captured(t *testing.T) attempts {
	t.Helper()
	found := attempts{}
	for _, w := range tr.evidence.Record.Workers {
		for c, err := range tr.evidence.Repo.Commits(t.Context(), tr.evidence.Record.Run, w) {
			if err != nil {
				t.Fatal(err)
			}
			found[txn.ID{Run: c.Run, Worker: c.Worker, Seq: c.Seq}] = true
		}
	}
	return found
}

// objective is the verdict on one objective.
func (tr *trial) objective(name string) string {
	at := slices.IndexFunc(tr.report.Objectives, func(o report.Objective) bool { return o.Name == name })
	if at < 0 || tr.report.Objectives[at].Verdict == nil {
		return ""
	}
	return *tr.report.Objectives[at].Verdict
}
