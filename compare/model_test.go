package compare_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
)

// drawCase draws what is asked of a run.
func drawCase(t *rapid.T) compare.Case {
	c := compare.Case{Run: testRun, Seed: rapid.Uint64().Draw(t, "seed"), Mix: drawMix(t), SegmentBytes: 16 << 20}
	c.Payload = rapid.SampledFrom([]compare.Payload{compare.PayloadSums, compare.PayloadFull}).Draw(t, "payload")
	c.Acks = rapid.SampledFrom([]compare.AckRule{compare.PlainAcks, compare.PlainAcks, compare.StrictAcks}).Draw(t, "acks")
	c.Expect = rapid.SampledFrom([]compare.Expect{compare.ExpectFault, compare.ExpectFault, compare.ExpectNone}).Draw(t, "expect")
	c.OutageThreshold = rapid.SampledFrom([]time.Duration{0, 0, 200 * ms, 5 * time.Second}).Draw(t, "threshold")
	limit := func(name string, values ...int64) *int64 {
		return rapid.SampledFrom(append(make([]*int64, 2*len(values)), pointers(values)...)).Draw(t, name)
	}
	l := &c.Limits
	l.Transactions, l.Rows, l.PayloadBytes, l.WALBytes = limit("transactions", 0, 2), limit("rows", 0, 5), limit("bytes", 0, 40), limit("wal", 0, 0x90)
	l.CDC, l.Diverged = limit("cdc", 0, 1), limit("diverged", 0, 1)
	within := func(name string, values ...time.Duration) *time.Duration {
		return rapid.SampledFrom(append(make([]*time.Duration, 2*len(values)), pointers(values)...)).Draw(t, name)
	}
	l.Span = within("span", 0, 30*ms)
	l.RTOGlobal, l.RTOWorkerMax = within("rto", 100*ms, time.Second), within("rto worker", 100*ms, 3*time.Second)
	return c
}

func pointers[T any](values []T) []*T {
	var all []*T
	for _, v := range values {
		all = append(all, &v)
	}
	return all
}

// judged is what the judge says of the evidence.
func judged(t *rapid.T, c compare.Case, ev *evidence) (compare.Result, []compare.Finding) {
	var found []compare.Finding
	res, err := compare.Judge(c, ev.facts, ev, func(f compare.Finding) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatalf("Judge: %v", err)
	}
	return res, found
}

// agree fails where judge and oracle differ in anything.
func agree(t *rapid.T, c compare.Case, ev *evidence) (compare.Result, []compare.Finding) {
	o := consult(c, ev)
	res, found := judged(t, c, ev)
	if d := cmp.Diff(o.names, keysOf(found)); d != "" {
		t.Fatalf("findings (-oracle +judge):\n%s", d)
	}
	want := &o.res
	differ := func(what string, want, got any) {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-oracle +judge):\n%s", what, d)
		}
	}
	differ("attempts", want.Attempts, res.Attempts)
	differ("unattributed", [2]int64{want.Unattributed, want.UnattributedRows}, [2]int64{res.Unattributed, res.UnattributedRows})
	differ("disagreements", want.Witnesses.Disagreements, res.Witnesses.Disagreements)
	counts := func(w compare.Witness) [4]int64 { return [4]int64{w.Survives, w.Lost, w.Silent, w.SilentOfLost} }
	differ("rows", counts(want.Witnesses.Rows), counts(res.Witnesses.Rows))
	differ("log", counts(want.Witnesses.Log), counts(res.Witnesses.Log))
	differ("client LSN", counts(want.Witnesses.ClientLSN), counts(res.Witnesses.ClientLSN))
	numbers := func(r compare.RPO) []any {
		return []any{r.Transactions, r.Ops, r.Span, r.Unreplicated, r.UnreplicatedOps}
	}
	differ("rpo", numbers(want.RPO), numbers(res.RPO))
	want.Capture.Duplicates += ev.facts.Capture.Duplicates
	stream := func(c compare.Captured) []int64 {
		return []int64{c.Transactions, c.Changes, c.Lost, c.Before, c.Duplicates}
	}
	differ("stream", stream(want.Capture), stream(res.Capture))
	differ("outages", want.RTO.Outages, res.RTO.Outages)
	differ("longest", []time.Duration{want.RTO.Global, want.RTO.WorkerMax}, []time.Duration{res.RTO.Global, res.RTO.WorkerMax})
	differ("errors", want.RTO.Errors, res.RTO.Errors)
	differ("faults seen", want.FaultsSeen, res.FaultsSeen)
	for i, b := range want.Objectives {
		if got := res.Objectives[i]; got.Name != b.Name || got.Asked != b.Asked || got.Verdict != b.Verdict {
			t.Errorf("%s: %v, the oracle has %v; missing %q, reasons %q", b.Name, got.Verdict, b.Verdict, o.missing, res.Reasons)
		}
	}
	if low, high, bounded, known := o.wal(); res.RPO.Transactions > 0 && ev.facts.Survivor.Proven {
		w := res.RPO.WAL
		if w.MinKnown != known || w.MaxKnown != bounded || known && w.Min != low || bounded && w.Max != high {
			t.Errorf("WAL bytes %+v, the oracle has %d to %d, bounded %v, known %v", w, low, high, bounded, known)
		}
	}
	if res.Verdict != want.Verdict {
		t.Errorf("verdict %v, the oracle has %v; missing %q, reasons %q", res.Verdict, want.Verdict, o.missing, res.Reasons)
	}
	return res, found
}

// Whatever is planted in the evidence of a run, alone and in mixtures, the judge
// says what the definitions say.
func TestJudgeAgreesWithTheModel(t *testing.T) {
	kinds := map[string]map[string]func(*planter){
		"markers": markerPlots, "rows": rowPlots, "stream": streamPlots, "ledger": ledgerPlots, "branches": branchPlots, "losses": losses,
		"ledger and losses": plotsOf(ledgerPlots, losses), "markers, rows and losses": plotsOf(markerPlots, rowPlots, losses),
		"markers and ledger": plotsOf(markerPlots, ledgerPlots),
		"everything":         plotsOf(markerPlots, rowPlots, streamPlots, ledgerPlots, branchPlots, losses),
	}
	for name, plots := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := drawCase(t)
				ev := drawWorld(t, c).evidence()
				plant(t, c, ev, plots, 4)
				agree(t, c, ev)
			})
		})
	}
}

// BenchmarkJudge judges one worker's ledger of a clean run, and its rows by sums;
// to make up the evidence is a part of it.
func BenchmarkJudge(b *testing.B) {
	const attempts = 100_000
	ev := &endless{workers: 1, attempts: attempts}
	c, facts := testCase(), ev.facts()
	c.Mix = endlessMix
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compare.Judge(c, facts, ev, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(attempts)*float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
}

var _ compare.Streams = (*evidence)(nil)
