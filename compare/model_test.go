package compare_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// history is one generated attempt, as all sides saw it.
type history struct {
	id         txn.ID
	sent       bool // an entry is there
	entry      txn.Entry
	present    bool
	commits    []txn.Commit
	unresolved bool
}

// drawRun draws a run of two workers: any outcomes, any survivors, any stream.
func drawRun(t *rapid.T) (*evidence, []history) {
	ev := newEvidence()
	ev.facts.Drivers[0].Closed = rapid.Bool().Draw(t, "closed")
	ev.facts.Capture.Complete = rapid.Bool().Draw(t, "complete")
	ev.facts.Unresolved = map[txn.ID]string{}
	var all []history
	used := map[txn.Worker]txn.Seq{}
	conn := map[txn.Worker]txn.Conn{0: 1, 1: 1}
	lsn := fork - 0x800
	for range rapid.IntRange(0, 24).Draw(t, "attempts") {
		w := txn.Worker(rapid.IntRange(0, 1).Draw(t, "worker"))
		if rapid.IntRange(0, 5).Draw(t, "reconnect") == 0 {
			conn[w] = min(conn[w]+1, 4)
		}
		used[w]++
		h := history{id: txn.ID{Run: testRun, Worker: w, Seq: used[w]}, sent: true}
		lsn += pg.LSN(rapid.IntRange(0x80, 0x200).Draw(t, "lsn"))
		h.entry = txn.Entry{Conn: conn[w], Outcome: txn.Outcome(rapid.IntRange(0, 3).Draw(t, "outcome")), Phase: txn.Answered}
		if !h.entry.Outcome.IsAck() {
			h.entry.Fault = txn.OtherFault
		}
		if rapid.Bool().Draw(t, "told") || h.entry.Outcome.IsAck() {
			h.entry.LSN = lsn
		}
		// Attempts lie further apart than a bucket, so that the judge's
		// bounds are exact.
		ev.clock += 30 * time.Millisecond
		h.entry.Sent, h.entry.Took = ev.clock, time.Millisecond
		all = append(all, drawTraces(t, ev, h, lsn))
	}
	for _, w := range []txn.Worker{0, 1} {
		r := txn.Reserve{Worker: w, Upto: used[w] + 2, Closed: ev.facts.Drivers[0].Closed}
		if r.Closed {
			r.Used = used[w]
		}
		ev.facts.Reserves = append(ev.facts.Reserves, r)
		for extra := range txn.Seq(4) {
			if rapid.IntRange(0, 3).Draw(t, "stray") == 0 {
				all = append(all, drawTraces(t, ev, history{id: txn.ID{Run: testRun, Worker: w, Seq: used[w] + 1 + extra}}, lsn))
			}
		}
	}
	for _, h := range all {
		if h.sent {
			ev.entries[h.id.Worker] = append(ev.entries[h.id.Worker], h.entry)
		}
		if h.present {
			ev.markers[h.id.Worker] = append(ev.markers[h.id.Worker], txn.Marker{ID: h.id, Ops: 1})
		}
		ev.commits[h.id.Worker] = append(ev.commits[h.id.Worker], h.commits...)
	}
	return ev.settle(), all
}

// drawTraces draws marker and commits of an attempt.
func drawTraces(t *rapid.T, ev *evidence, h history, lsn pg.LSN) history {
	h.present = rapid.Bool().Draw(t, "present")
	if !h.present && h.sent && h.entry.Outcome == txn.InDoubt && rapid.Bool().Draw(t, "unresolved") {
		h.unresolved = true
		ev.facts.Unresolved[h.id] = "a backend is left"
	}
	for i := range rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2}).Draw(t, "commits") {
		at := lsn + pg.LSN(0x20+i*0x30)
		h.commits = append(h.commits, txn.Commit{ID: h.id, Branch: pg.BranchID(1 + rapid.IntRange(0, 1).Draw(t, "branch")), LSN: at, End: at + 0x20, Ops: 1, Seen: 1})
	}
	return h
}

// model says what there is to find, by the words of the definitions and with
// no care for speed.
func model(ev *evidence, all []history) []string {
	var names []string
	closed := ev.facts.Drivers[0].Closed
	for _, h := range all {
		found := func(class compare.Class) {
			names = append(names, fmt.Sprintf("%v %d/%d", class, h.id.Worker, h.id.Seq))
		}
		acked := h.sent && h.entry.Outcome.IsAck()
		absent := !h.present && !h.unresolved
		log := modelLog(h)
		if acked && absent {
			if h.entry.Outcome == txn.Acked {
				found(compare.LostTransaction)
			} else {
				found(compare.LostUnreplicated)
			}
			if log == compare.SaysSurvives || keptLater(h, all) {
				found(compare.Hole)
			}
		}
		if h.sent && h.entry.Outcome == txn.Failed && h.present {
			found(compare.PhantomTransaction)
		}
		if !h.sent && h.present && closed {
			found(compare.AlienRow)
		}
		if acked && h.entry.Conn == 1 && ackedByChild(h, all) {
			found(compare.SplitBrain)
		}
		words := []compare.Word{log, modelClient(h, all)}
		if h.present {
			words = append(words, compare.SaysSurvives)
		} else if absent {
			words = append(words, compare.SaysLost)
		}
		if slices.Contains(words, compare.SaysSurvives) && slices.Contains(words, compare.SaysLost) {
			found(compare.WitnessDisagreement)
		}
		if len(h.commits) > 1 && (acked || surviving(h) > 1) {
			found(compare.CaptureMismatch)
		}
		if absent && len(h.commits) > 0 {
			found(compare.CapturedLost)
		}
		accounted := h.sent || !closed && h.id.Seq <= ev.facts.Reserves[h.id.Worker].Upto
		if h.present && len(h.commits) == 0 && ev.facts.Capture.Complete && accounted {
			found(compare.CaptureGap)
		}
	}
	slices.Sort(names)
	return names
}

func keptLater(h history, all []history) bool {
	return slices.ContainsFunc(all, func(o history) bool {
		return o.sent && o.present && o.entry.Outcome != txn.Failed &&
			o.id.Worker == h.id.Worker && o.id.Seq > h.id.Seq && o.entry.Conn == h.entry.Conn
	})
}

// ackedByChild tells whether an ack of branch 2 was there when h was sent.
func ackedByChild(h history, all []history) bool {
	return slices.ContainsFunc(all, func(o history) bool {
		return o.sent && o.entry.Outcome.IsAck() && o.entry.Conn > 1 && h.entry.Sent > o.entry.End()
	})
}

// surviving counts the positions of an attempt that are on the survivor's line.
func surviving(h history) int {
	n := 0
	for _, c := range h.commits {
		if c.Branch == 2 || c.LSN < fork {
			n++
		}
	}
	return n
}

func modelLog(h history) compare.Word {
	word := compare.Silent
	for _, c := range h.commits {
		if c.Branch == 2 || c.LSN < fork {
			return compare.SaysSurvives
		}
		word = compare.SaysLost
	}
	return word
}

func modelClient(h history, all []history) compare.Word {
	if !h.sent || !h.entry.Outcome.IsAck() || len(h.commits) > 0 || h.entry.Conn != 1 {
		return compare.Silent
	}
	if h.entry.LSN >= fork {
		return compare.SaysLost
	}
	for _, o := range all {
		if o.sent && o.entry.Conn == 1 && o.entry.LSN != 0 && o.entry.Sent > h.entry.End() && o.entry.LSN <= fork {
			return compare.SaysSurvives
		}
	}
	return compare.Silent
}

func TestJudgeAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ev, all := drawRun(rt)
		var found []compare.Finding
		res, err := compare.Judge(testCase(), ev.facts, ev, func(f compare.Finding) error {
			found = append(found, f)
			return nil
		})
		if err != nil {
			rt.Fatalf("Judge: %v", err)
		}
		if diff := cmp.Diff(model(ev, all), namesOf(found)); diff != "" {
			rt.Fatalf("findings (-model +judge):\n%s", diff)
		}
		a := res.Attempts
		if a.Sent != a.Acked+a.Unreplicated+a.Failed+a.InDoubt.Total {
			rt.Fatalf("sent is not the sum of its parts: %+v", a)
		}
		lost := slices.ContainsFunc(found, func(f compare.Finding) bool {
			return slices.Contains([]compare.Class{compare.LostTransaction, compare.Hole, compare.PhantomTransaction, compare.AlienRow, compare.SplitBrain, compare.WitnessDisagreement}, f.Class)
		})
		if lost != (res.Verdict == compare.Breached) {
			rt.Fatalf("verdict %v with findings %v", res.Verdict, namesOf(found))
		}
	})
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
