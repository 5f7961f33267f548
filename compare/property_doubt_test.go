package compare_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// byRows are the classes that markers, rows and the ledger prove by themselves.
var byRows = []compare.Class{
	compare.LostTransaction, compare.PhantomTransaction, compare.AlienRow, compare.TornTransaction,
	compare.StaleRow, compare.MissingRow, compare.ResurrectedRow, compare.CorruptRow,
}

// drawSpoiled draws the evidence of a run, in most cases with plots in it.
func drawSpoiled(t *rapid.T, c compare.Case) *evidence {
	ev := drawWorld(t, c).evidence()
	if rapid.IntRange(0, 3).Draw(t, "spoiled") > 0 {
		plant(t, c, ev, plotsOf(markerPlots, rowPlots, streamPlots, ledgerPlots), 3)
	}
	return ev
}

// What is left of true evidence accuses nobody of what did not happen, whatever
// was lost of it.
func TestWhatIsMissingAccusesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		w := drawWorld(t, c)
		ev := w.evidence()
		plant(t, c, ev, losses, 4)
		_, found := agree(t, c, ev)
		kept := w.survivors()
		for _, f := range found {
			captured := slices.ContainsFunc(w.capture.stored, func(c txn.Commit) bool { return c.ID == f.ID })
			switch f.Class {
			case compare.SplitBrain:
				// Which of two went on too long is not told by what is left.
				if !w.split {
					t.Errorf("%v of %v, and there was never more than one primary", f.Class, f.ID)
				}
			case compare.LostTransaction, compare.LostUnreplicated, compare.CapturedLost:
				if kept[f.ID] {
					t.Errorf("%v of %v, which is on the survivor", f.Class, f.ID)
				}
			case compare.CaptureGap:
				if captured {
					t.Errorf("%v of %v, which was captured", f.Class, f.ID)
				}
			default:
				t.Errorf("found %v of %v", f.Class, f.ID)
			}
		}
	})
}

// A breach that was proven is proven, whatever else comes to be doubted.
func TestDoubtAcquitsNobody(t *testing.T) {
	doubts := []string{"a problem of the evidence", "driver not closed", "journal damaged", "stream without its end", "end not on the survivor"}
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		ev := drawSpoiled(t, c)
		before, found := judged(t, c, ev)
		if before.Counts[compare.AlienRow] > 0 {
			return // of an account that is in doubt it may be its own, and so what it did to the rows
		}
		plots := maps.Clone(losses)
		maps.DeleteFunc(plots, func(name string, _ func(*planter)) bool { return !slices.Contains(doubts, name) })
		plant(t, c, ev, plots, 3)
		after, left := judged(t, c, ev)
		// Without the end of the stream nothing is missing in it.
		others := func(all []compare.Finding) []string {
			return keysOf(slices.DeleteFunc(slices.Clone(all), func(f compare.Finding) bool { return f.Class == compare.CaptureGap }))
		}
		if d := cmp.Diff(others(found), others(left)); d != "" {
			t.Errorf("findings (-before +after):\n%s", d)
		}
		for i, o := range before.Objectives {
			if o.Verdict == compare.Breached && o.Name != compare.CDC && after.Objectives[i].Verdict != compare.Breached {
				t.Errorf("%s was breached, and is %v", o.Name, after.Objectives[i].Verdict)
			}
		}
		if after.Verdict == compare.Met && before.Verdict != compare.Met {
			t.Errorf("verdict %v, and %v before", after.Verdict, before.Verdict)
		}
	})
}

// Evidence that is lost makes nothing good that was not: neither what was broken
// by what is left, nor what was not proven before.
func TestLossOfEvidenceMakesNothingGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		c.Limits = compare.Limits{Transactions: c.Limits.Transactions}
		ev := drawSpoiled(t, c)
		if rapid.Bool().Draw(t, "quiet") {
			ev = drawQuietWorld(t, c).evidence()
		}
		before, _ := judged(t, c, ev)
		// What only the two other witnesses tell may fall silent with them.
		broken := slices.ContainsFunc(byRows, func(class compare.Class) bool { return before.Breaks[class] })
		if before.Verdict == compare.Met || before.Verdict == compare.Breached && !broken {
			return
		}
		plant(t, c, ev, losses, 2)
		if after, _ := judged(t, c, ev); after.Verdict == compare.Met {
			t.Errorf("verdict %v, and %v before: %q", after.Verdict, before.Verdict, before.Reasons)
		}
	})
}

// damages are evidence that contradicts itself, or that cannot be read.
var damages = map[string]func(p *planter) bool{
	"an unknown outcome": func(p *planter) bool {
		_, _, e := of(p, p.entries)
		if e != nil {
			e.Outcome = 9
		}
		return e != nil
	},
	"an outcome that does not fit the fault": func(p *planter) bool {
		_, _, e := of(p, p.entries)
		switch {
		case e == nil:
			return false
		case e.Fault == txn.NoFault:
			e.Fault = txn.Timeout
		default:
			e.Fault = txn.NoFault
		}
		return true
	},
	"a marker twice": func(p *planter) bool {
		w, i, m := of(p, p.markers)
		if m == nil || !p.facts.Survivor.Proven {
			return false
		}
		p.markers[w] = slices.Insert(p.markers[w], i, *m)
		return true
	},
	"commits out of order": func(p *planter) bool {
		w := p.worker()
		if n := len(p.commits[w]); n == 0 || p.commits[w][0].Seq == p.commits[w][n-1].Seq {
			return false
		}
		slices.Reverse(p.commits[w])
		return true
	},
	"a stream that breaks": func(p *planter) bool {
		p.broken = rapid.SampledFrom([]string{"entries", "markers", "commits", "buckets", "rows"}).Draw(p.t, "stream")
		return p.c.Payload == compare.PayloadSums && p.broken != "rows"
	},
}

// Evidence that contradicts itself ends the judgement, which is never met.
func TestDamageIsNeverMet(t *testing.T) {
	names := slices.Sorted(maps.Keys(damages))
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		ev := drawWorld(t, c).evidence()
		p := &planter{evidence: ev, t: t, c: c}
		if !damages[rapid.SampledFrom(names).Draw(t, "damage")](p) {
			return
		}
		res, err := compare.Judge(c, ev.facts, ev, nil)
		if err == nil || res.Verdict == compare.Met {
			t.Errorf("verdict %v, error %v", res.Verdict, err)
		}
	})
}
