package compare_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// Where judging stopped, what was not looked at is no reason: nobody says that
// nothing was acknowledged, or that no fault was seen.
func TestStoppedJudgementSaysOnlyThat(t *testing.T) {
	for _, name := range []string{"entries", "markers", "commits", "buckets"} {
		ev := failover(nil, nil)
		ev.broken = name
		switch name { // the very first element cannot be read
		case "entries":
			ev.entries[0] = nil
		case "markers":
			ev.markers[0] = nil
		case "commits":
			ev.commits[0] = nil
		}
		ev.facts.Problems = []string{"the disk was full"}
		ev.facts.Drivers[0].Closed = false
		res, err := compare.Judge(testCase(), ev.facts, ev, nil)
		if err == nil || res.Verdict == compare.Met {
			t.Errorf("%s: verdict %v, error %v", name, res.Verdict, err)
		}
		for i, want := range []string{"judging stopped", "the disk was full", "was not closed"} {
			if !slices.ContainsFunc(res.Reasons, func(why string) bool { return strings.Contains(why, want) }) {
				t.Errorf("%s: reason %d is not there: %q", name, i, want)
			}
		}
		if len(res.Reasons) != 3 {
			t.Errorf("%s: %q", name, res.Reasons)
		}
		if rows := res.Witnesses.Rows; rows.Heard || rows.Why == "" {
			t.Errorf("%s: the rows were heard: %+v", name, rows)
		}
		if !res.Stopped || res.Capture.Complete || len(res.Unproven) > 0 {
			t.Errorf("%s: stopped %t, stream complete %t, unproven %q", name, res.Stopped, res.Capture.Complete, res.Unproven)
		}
		for _, o := range res.Objectives {
			if o.Name == compare.RPOTransactions && (o.Known || o.Verdict != compare.Inconclusive) {
				t.Errorf("%s: nothing was compared, and %+v", name, o)
			}
		}
	}
}
