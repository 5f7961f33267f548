package compare_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Each missing fact alone keeps a clean run from being met.
func TestUnknownIsNeverGood(t *testing.T) {
	for _, test := range []struct {
		name string
		take func(ev *evidence, c *compare.Case)
		want string // in a reason
	}{
		{"survivor not proven", func(ev *evidence, _ *compare.Case) { ev.facts.Survivor = compare.Survivor{Why: "two nodes"} }, "survived is not proven: two nodes"},
		{"a problem of the evidence", func(ev *evidence, _ *compare.Case) { ev.facts.Problems = []string{"the disk was full"} }, "the disk was full"},
		{"driver not closed", func(ev *evidence, _ *compare.Case) {
			ev.facts.Drivers[0].Closed = false
			for i := range ev.facts.Reserves {
				ev.facts.Reserves[i].Closed = false
			}
		}, "driver 0 was not closed"},
		{"driver missing", func(ev *evidence, _ *compare.Case) { ev.facts.Reserves[1].Driver = 3 }, "driver 3 is missing"},
		{"no driver at all", func(ev *evidence, _ *compare.Case) { ev.facts.Drivers, ev.facts.Reserves = nil, nil }, "no account"},
		{"worker's account not closed", func(ev *evidence, _ *compare.Case) { ev.facts.Reserves[0].Closed = false }, "worker 0 was not closed"},
		{"damaged journal", func(ev *evidence, _ *compare.Case) { ev.facts.Drivers[0].Damage = []string{"a bad frame"} }, "damaged: a bad frame"},
		{"tail of a closed account", func(ev *evidence, _ *compare.Case) { ev.facts.Reserves[0].Used++ }, "may have gone on to 11"},
		{"more entries than the account", func(ev *evidence, _ *compare.Case) { ev.facts.Reserves[0].Used-- }, "says that it ends at 9"},
		{"unresolved", func(ev *evidence, _ *compare.Case) {
			id, _ := ev.send(0, txn.Entry{Conn: after})
			ev.facts.Reserves[0].Used++
			ev.facts.Unresolved = map[txn.ID]string{id: "a backend is left"}
		}, "1 attempt is in doubt"},
		{"no fault", func(ev *evidence, _ *compare.Case) {
			ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
			ev.facts.Drivers[0].Probes = nil
		}, "no fault was seen"},
		{"a fault that was not expected", func(_ *evidence, c *compare.Case) { c.Expect = compare.ExpectNone }, "1 fault was seen, and none was expected"},
		{"service did not return", func(ev *evidence, _ *compare.Case) {
			ev.facts.Drivers[0].Probes = append(ev.facts.Drivers[0].Probes,
				txn.Probe{At: ev.clock + time.Millisecond, Fault: txn.Refused}, txn.Probe{At: ev.clock + 3*time.Second, Fault: txn.Refused})
		}, "not seen to return"},
		{"nothing acked", func(ev *evidence, _ *compare.Case) {
			for w := range ev.entries {
				for i := range ev.entries[w] {
					ev.entries[w][i].Outcome, ev.entries[w][i].Fault = txn.InDoubt, txn.Reset
				}
			}
		}, "no attempt was acknowledged"},
		{"marker that does not fit the plan", func(ev *evidence, _ *compare.Case) { ev.markers[0][3].Ops++ }, "1 marker promises another number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ev, c := failover(nil, nil), testCase()
			test.take(ev, &c)
			res, found := ev.judge(t, c)
			if res.Verdict != compare.Inconclusive {
				t.Errorf("verdict %v (found %v), want inconclusive", res.Verdict, namesOf(found))
			}
			if all := strings.Join(res.Reasons, "\n"); !strings.Contains(all, test.want) {
				t.Errorf("reasons %q do not say %q", res.Reasons, test.want)
			}
			for _, o := range res.Objectives {
				if o.Verdict != compare.Inconclusive {
					t.Errorf("%s is %v, want inconclusive", o.Name, o.Verdict)
				}
			}
		})
	}
}

func TestZeroResultIsInconclusive(t *testing.T) {
	res, err := compare.Judge(compare.Case{Run: testRun, Mix: testMix}, compare.Facts{}, newEvidence(), nil)
	if err != nil || res.Verdict != compare.Inconclusive {
		t.Errorf("no evidence at all gives %v, %v, want inconclusive", res.Verdict, err)
	}
	if (compare.Result{}).Verdict != compare.Inconclusive {
		t.Error("the zero result is not inconclusive")
	}
}

func TestProvenBreachStaysBreached(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	ev.facts.Drivers[0].Closed = false
	ev.facts.Drivers[0].Connections, ev.facts.Drivers[0].Probes = nil, nil
	if res, _ := ev.judge(t, testCase()); res.Verdict != compare.Breached {
		t.Errorf("verdict %v, want breached", res.Verdict)
	}
}

func TestLossIsNotProvenAgainstAnUnprovenSurvivor(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	ev.facts.Survivor.Proven = false
	res, found := ev.judge(t, testCase())
	if len(found) != 0 || res.Verdict != compare.Inconclusive || res.Witnesses.Rows.Silent != 21 {
		t.Errorf("found %v, verdict %v, rows %+v", namesOf(found), res.Verdict, res.Witnesses.Rows)
	}
}

func TestAbsentTablesLoseEverything(t *testing.T) {
	ev := failover(nil, nil)
	ev.facts.Survivor.TablesAbsent = true
	res, _ := ev.judge(t, testCase())
	if res.RPO.Transactions != 20 || res.Verdict != compare.Breached {
		t.Errorf("lost %d, verdict %v, want 20, breached", res.RPO.Transactions, res.Verdict)
	}
	if !strings.Contains(strings.Join(res.Unproven, "\n"), "pgrpo's tables are not on") {
		t.Errorf("nobody is told that the tables are absent: %q", res.Unproven)
	}
}

func TestBrokenStreamIsReturned(t *testing.T) {
	for _, name := range []string{"entries", "markers", "commits"} {
		ev := failover(nil, nil)
		ev.broken = name
		res, err := compare.Judge(testCase(), ev.facts, ev, nil)
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: error %v, want %v", name, err, errBroken)
		}
		if res.Verdict != compare.Inconclusive || len(res.Reasons) == 0 || !strings.HasPrefix(res.Reasons[0], "judging stopped: ") {
			t.Errorf("%s: verdict %v, reasons %q", name, res.Verdict, res.Reasons)
		}
	}
}

func TestEmitErrorIsReturnedAndTheBreachStays(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	res, err := compare.Judge(testCase(), ev.facts, ev, func(compare.Finding) error { return errBroken })
	if !errors.Is(err, errBroken) {
		t.Errorf("error %v, want %v", err, errBroken)
	}
	if res.Counts[compare.LostTransaction] != 1 {
		t.Errorf("counted %d lost, want 1", res.Counts[compare.LostTransaction])
	}
	if res.Verdict != compare.Breached {
		t.Errorf("verdict %v, want breached", res.Verdict)
	}
}

// Evidence that contradicts itself ends the judgement.
func TestUnsoundEvidenceIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(ev *evidence){
		"markers out of order":  func(ev *evidence) { m := ev.markers[0]; m[0], m[1] = m[1], m[0] },
		"a marker twice":        func(ev *evidence) { ev.markers[0][1] = ev.markers[0][0] },
		"a marker of another":   func(ev *evidence) { ev.markers[0][1].Worker = 1 },
		"a commit of another":   func(ev *evidence) { ev.commits[0][1].Run++ },
		"commits out of order":  func(ev *evidence) { c := ev.commits[1]; c[2], c[1] = c[1], c[2] },
		"an unknown outcome":    func(ev *evidence) { ev.entries[0][2].Outcome = 9 },
		"a worker's two ledger": func(ev *evidence) { ev.facts.Reserves[1].Worker = 0 },
		"a driver twice":        func(ev *evidence) { ev.facts.Drivers = append(ev.facts.Drivers, ev.facts.Drivers[0]) },
	} {
		ev := failover(nil, nil)
		spoil(ev)
		if res, err := compare.Judge(testCase(), ev.facts, ev, nil); err == nil || res.Verdict == compare.Met {
			t.Errorf("%s: error %v, verdict %v", name, err, res.Verdict)
		}
	}
	if _, err := compare.Judge(compare.Case{}, compare.Facts{}, newEvidence(), nil); err == nil {
		t.Error("a mix of nothing was judged")
	}
}

// While an account is missing, markers that nobody knows are not called alien.
func TestUnattributed(t *testing.T) {
	ev := failover(nil, func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 9, Seq: 1}, 1) })
	ev.facts.Drivers = append(ev.facts.Drivers, compare.Driver{ID: 1, Started: testStart})
	res, found := ev.judge(t, testCase())
	if len(found) != 0 || res.Unattributed != 1 || res.Verdict != compare.Inconclusive {
		t.Errorf("found %v, unattributed %d, verdict %v", namesOf(found), res.Unattributed, res.Verdict)
	}
}

// A whole account knows what its own workers never sent, whatever else is
// missing; a damaged one does not.
func TestAlienOfAWholeAccount(t *testing.T) {
	stray := func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 0, Seq: 500}, 1) }
	ev := failover(nil, stray)
	ev.facts.Drivers = append(ev.facts.Drivers, compare.Driver{ID: 1, Started: testStart})
	if res, found := ev.judge(t, testCase()); res.Counts[compare.AlienRow] != 1 || res.Verdict != compare.Breached {
		t.Errorf("found %v, verdict %v", namesOf(found), res.Verdict)
	}
	ev = failover(nil, stray)
	ev.facts.Drivers[0].Damage = []string{"a bad frame"}
	if res, found := ev.judge(t, testCase()); len(found) != 0 || res.Unattributed != 1 || res.Verdict != compare.Inconclusive {
		t.Errorf("damaged: found %v, verdict %v", namesOf(found), res.Verdict)
	}
}

func TestLostTailOfAnAccount(t *testing.T) {
	ev := failover(nil, func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 0, Seq: 12}, 1) })
	ev.facts.Capture.Complete = false
	ev.facts.Drivers[0].Closed = false
	ev.facts.Reserves[0] = txn.Reserve{Worker: 0, Upto: 1024}
	res, found := ev.judge(t, testCase())
	if len(found) != 0 {
		t.Errorf("found %v", namesOf(found))
	}
	if res.Attempts.AccountLost != 1024-10-1 || res.Verdict != compare.Inconclusive {
		t.Errorf("account lost %d, verdict %v, want 1013, inconclusive", res.Attempts.AccountLost, res.Verdict)
	}
}

func TestExpectNoneIsMetWithoutAFault(t *testing.T) {
	ev := newEvidence()
	for range 5 {
		ev.keep(0, before)
		ev.keep(1, before)
	}
	ev.settle()
	ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
	ev.facts.Branches = ev.facts.Branches[:1]
	ev.facts.Survivor.Branch = 1
	c := testCase()
	c.Expect = compare.ExpectNone
	if res, _ := ev.judge(t, c); res.Verdict != compare.Met {
		t.Errorf("verdict %v, reasons %q, want met", res.Verdict, res.Reasons)
	}
}

// An unknown fork silences log and client LSN; it does not make them agree.
func TestUnknownForkSilences(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	ev.facts.Branches[1] = pg.Branch{ID: 2, System: 7, Timeline: 2, Unclear: true}
	res, _ := ev.judge(t, testCase())
	w := res.Witnesses
	if w.Log.Lost != 0 || w.ClientLSN.Lost != 0 || w.ClientLSN.Heard || w.ClientLSN.Why == "" || w.Rows.Lost != 1 {
		t.Errorf("witnesses %+v", w)
	}
	if res.RPO.WAL.MinKnown || res.RPO.WAL.Why == "" {
		t.Errorf("WAL bytes %+v, want unknown with a reason", res.RPO.WAL)
	}
}
