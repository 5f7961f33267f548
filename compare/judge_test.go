package compare_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestCleanRunIsSilentAndMet(t *testing.T) {
	res, found := failover(nil, nil).judge(t, testCase())
	if len(found) != 0 {
		t.Errorf("found %+v in a clean run", found)
	}
	if res.Verdict != compare.Met || len(res.Reasons) != 0 {
		t.Errorf("verdict %v, reasons %q, want met without any", res.Verdict, res.Reasons)
	}
	want := compare.Attempts{Acked: 20, Sent: 20}
	if diff := cmp.Diff(want, res.Attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if res.FaultsSeen != 1 || res.Capture.Transactions != 20 || !res.Capture.Complete {
		t.Errorf("faults seen %d, captured %d, complete %v", res.FaultsSeen, res.Capture.Transactions, res.Capture.Complete)
	}
	if w := res.Witnesses; w.Rows.Survives != 20 || w.Log.Survives != 20 || w.Disagreements != 0 {
		t.Errorf("witnesses %+v", w)
	}
}

// planted is one kind of fault, alone in an otherwise clean run.
type planted struct {
	name        string
	plant, late func(ev *evidence)
	c           func(*compare.Case)
	want        []string // class and id of each finding, sorted
	verdict     compare.Verdict
}

func lostOne(outcome txn.Outcome) func(ev *evidence) {
	return func(ev *evidence) {
		ev.lsn = fork
		ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: outcome})
	}
}

func allPlanted() []planted {
	return []planted{{
		name: "acked, absent, not captured", plant: lostOne(txn.Acked),
		want: []string{"lost_transaction 0/6"}, verdict: compare.Breached,
	}, {
		name: "acked, absent, captured past the fork",
		plant: func(ev *evidence) {
			ev.lsn = fork
			lsn := ev.next()
			id, ops := ev.send(0, txn.Entry{LSN: lsn, Conn: before, Outcome: txn.Acked})
			ev.capture(id, 1, lsn, ops)
		},
		want: []string{"captured_lost 0/6", "lost_transaction 0/6"}, verdict: compare.Breached,
	}, {
		name: "acked with the warning, absent", plant: lostOne(txn.AckedUnreplicated),
		want: []string{"lost_unreplicated 0/6"}, verdict: compare.Met,
	}, {
		name: "acked with the warning, absent, strict", plant: lostOne(txn.AckedUnreplicated),
		c:    func(c *compare.Case) { c.Acks = compare.StrictAcks },
		want: []string{"lost_unreplicated 0/6"}, verdict: compare.Breached,
	}, {
		name: "in doubt, absent", plant: lostOne(txn.InDoubt), verdict: compare.Met,
	}, {
		name: "in doubt, there",
		plant: func(ev *evidence) {
			lsn := ev.next()
			id, ops := ev.send(0, txn.Entry{Conn: before, Phase: txn.Sent})
			ev.mark(id, ops)
			ev.capture(id, 1, lsn, ops)
		},
		verdict: compare.Met,
	}, {
		name: "in doubt, captured, absent",
		plant: func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{Conn: before, Phase: txn.Sent})
			ev.capture(id, 1, fork, ops)
		},
		want: []string{"captured_lost 0/6"}, verdict: compare.Met,
	}, {
		name: "in doubt, captured at two positions of which one survives",
		plant: func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{Conn: before, Phase: txn.Sent})
			ev.mark(id, ops)
			ev.capture(id, 1, fork-0x80, ops)
			ev.capture(id, 1, fork+0x80, ops)
		},
		verdict: compare.Met,
	}, {
		name: "hole by the session",
		plant: func(ev *evidence) {
			ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
			ev.keep(0, before)
		},
		// The LSNs that followed the ack lie before the fork as well.
		want: []string{"hole 0/6", "lost_transaction 0/6"}, verdict: compare.Breached,
	}, {
		name: "hole by the log",
		plant: func(ev *evidence) {
			lsn := ev.next()
			id, ops := ev.send(0, txn.Entry{LSN: lsn, Conn: before, Outcome: txn.Acked})
			ev.capture(id, 1, lsn, ops)
		},
		want: []string{"captured_lost 0/6", "hole 0/6", "lost_transaction 0/6", "witness_disagreement 0/6"}, verdict: compare.Breached,
	}, {
		name: "client LSN contradicts the rows",
		plant: func(ev *evidence) {
			ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
			ev.clock += 20e6
			ev.keep(1, before)
		},
		want: []string{"lost_transaction 0/6", "witness_disagreement 0/6"}, verdict: compare.Breached,
	}, {
		name: "rolled back, there",
		plant: func(ev *evidence) {
			lsn := ev.next()
			id, ops := ev.send(0, txn.Entry{Conn: before, Outcome: txn.Failed})
			ev.mark(id, ops)
			ev.capture(id, 1, lsn, ops)
		},
		want: []string{"phantom_transaction 0/6"}, verdict: compare.Breached,
	}, {
		name:    "rolled back, absent",
		plant:   func(ev *evidence) { ev.send(0, txn.Entry{Conn: before, Outcome: txn.Failed}) },
		verdict: compare.Met,
	}, {
		name: "there, past the used seqs of a closed account",
		late: func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 0, Seq: 500}, 1) },
		want: []string{"alien_row 0/500"}, verdict: compare.Breached,
	}, {
		name: "there, of a worker that nobody has",
		late: func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 9, Seq: 1}, 1) },
		want: []string{"alien_row 9/1"}, verdict: compare.Breached,
	}, {
		name: "there, a seq below the first",
		late: func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: 1, Seq: 0}, 1) },
		want: []string{"alien_row 1/0"}, verdict: compare.Breached,
	}, {
		name:    "announced sentinel",
		late:    func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: -1, Seq: 1}, 2) },
		verdict: compare.Met,
	}, {
		name: "sentinel that nobody announced",
		late: func(ev *evidence) { ev.mark(txn.ID{Run: testRun, Worker: -1, Seq: 2}, 2) },
		want: []string{"alien_row -1/2"}, verdict: compare.Breached,
	}, {
		name: "survives, not in the stream",
		late: func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: after, Outcome: txn.Acked})
			ev.mark(id, ops)
		},
		want: []string{"capture_gap 0/11"}, verdict: compare.Met,
	}, {
		name: "survives, not in the stream, cdc asked",
		late: func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: after, Outcome: txn.Acked})
			ev.mark(id, ops)
		},
		c:    func(c *compare.Case) { c.Limits.CDC = new(int64) },
		want: []string{"capture_gap 0/11"}, verdict: compare.Breached,
	}, {
		name: "captured, lost, divergence asked",
		plant: func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{Conn: before, Phase: txn.Sent})
			ev.capture(id, 1, fork, ops)
		},
		c:    func(c *compare.Case) { c.Limits.Diverged = new(int64) },
		want: []string{"captured_lost 0/6"}, verdict: compare.Breached,
	}, {
		name:    "seq taken and not sent",
		plant:   func(ev *evidence) { ev.send(0, txn.Entry{Conn: before, Outcome: txn.Failed, Phase: txn.NotSent}) },
		verdict: compare.Met,
	}}
}

func TestEachClassIsFoundAndNothingElse(t *testing.T) {
	for _, test := range allPlanted() {
		t.Run(test.name, func(t *testing.T) {
			c := testCase()
			if test.c != nil {
				test.c(&c)
			}
			res, found := failover(test.plant, test.late).judge(t, c)
			if diff := cmp.Diff(test.want, namesOf(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if res.Verdict != test.verdict {
				t.Errorf("verdict %v, want %v; reasons %q", res.Verdict, test.verdict, res.Reasons)
			}
			for _, f := range found {
				if !slices.ContainsFunc(res.Samples[f.Class], func(s compare.Finding) bool { return cmp.Equal(s, f) }) {
					t.Errorf("no sample of %v %v", f.Class, f.ID)
				}
			}
		})
	}
}

// namesOf gives class and id of each finding, sorted.
func namesOf(found []compare.Finding) []string {
	var names []string
	for _, f := range found {
		names = append(names, fmt.Sprintf("%v %d/%d", f.Class, f.Worker, f.Seq))
	}
	slices.Sort(names)
	return names
}

func TestTableOfFates(t *testing.T) {
	type cell struct {
		account compare.Account
		marker  pg.Presence
		want    compare.Fate
	}
	for _, c := range []cell{
		{compare.InDoubt, pg.NotLooked, compare.FateUnknown},
		{compare.InDoubt, pg.Present, compare.TurnedOutCommitted},
		{compare.InDoubt, pg.Absent, compare.TurnedOutRolledBack},
		{compare.Acked, pg.NotLooked, compare.FateUnknown},
		{compare.Acked, pg.Present, compare.Kept},
		{compare.Acked, pg.Absent, compare.Lost},
		{compare.AckedUnreplicated, pg.NotLooked, compare.FateUnknown},
		{compare.AckedUnreplicated, pg.Present, compare.Kept},
		{compare.AckedUnreplicated, pg.Absent, compare.LostWarned},
		{compare.Failed, pg.NotLooked, compare.FateUnknown},
		{compare.Failed, pg.Present, compare.Phantom},
		{compare.Failed, pg.Absent, compare.AsPromised},
		{compare.NoEntry, pg.NotLooked, compare.AccountLost},
		{compare.NoEntry, pg.Present, compare.TurnedOutCommitted},
		{compare.NoEntry, pg.Absent, compare.AccountLost},
		{compare.NeverSent, pg.NotLooked, compare.FateUnknown},
		{compare.NeverSent, pg.Present, compare.Alien},
		{compare.NeverSent, pg.Absent, compare.AsPromised},
		{compare.NeverSent + 1, pg.Absent, compare.FateUnknown},
		{compare.Acked, pg.Absent + 1, compare.FateUnknown},
	} {
		if got := compare.FateOf(c.account, c.marker); got != c.want {
			t.Errorf("account %d, marker %v: fate %d, want %d", c.account, c.marker, got, c.want)
		}
	}
	for account, outcome := range []txn.Outcome{txn.InDoubt, txn.Acked, txn.AckedUnreplicated, txn.Failed} {
		if compare.Account(account) != compare.Account(outcome) {
			t.Errorf("account %d is not the outcome %v", account, outcome)
		}
	}
}
