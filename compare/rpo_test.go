package compare_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// loseThree plants three losses past the fork, the last of them captured or
// followed by an attempt that bounds it.
func loseThree(captured int) func(ev *evidence) {
	return func(ev *evidence) {
		ev.lsn = fork
		for i := range 3 {
			lsn := ev.next()
			id, ops := ev.send(txn.Worker(i%2), txn.Entry{LSN: lsn, Conn: before, Outcome: txn.Acked})
			if i < captured {
				ev.capture(id, 1, lsn+0x10, ops)
			}
		}
	}
}

func TestRPOCountsWhatThePlanSent(t *testing.T) {
	ev := failover(loseThree(3), nil)
	res, _ := ev.judge(t, testCase())
	want := compare.Ops{}
	for w, seqs := range map[txn.Worker][]int{0: {6, 7}, 1: {6}} {
		view := plan.New(testMix, 1, testRun, w)
		for i, e := range ev.entries[w][:seqs[len(seqs)-1]] {
			for _, op := range view.Next().Ops {
				if i+1 < seqs[0] {
					continue
				}
				switch op.Kind {
				case txn.Insert:
					want.Inserts++
					want.PayloadBytes += 100
				case txn.Update:
					want.Updates++
					want.PayloadBytes += 100
				case txn.Delete:
					want.Deletes++
				}
			}
			view.Settle(e)
		}
	}
	if diff := cmp.Diff(want, res.RPO.Ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if res.RPO.Transactions != 3 || res.RPO.Ops.Rows() < 3 {
		t.Errorf("lost %d transactions, %d rows", res.RPO.Transactions, res.RPO.Ops.Rows())
	}
	if first, last := res.RPO.First, res.RPO.Last; first.ID.String() != "worker 0 seq 6" || last.ID.String() != "worker 0 seq 7" {
		t.Errorf("first %v, last %v", first.ID, last.ID)
	}
	// Sent 2 ms apart, and each acked a millisecond later.
	if res.RPO.Span != 4*time.Millisecond {
		t.Errorf("lost a span of %v, want 4 ms", res.RPO.Span)
	}
}

func TestWALBytesLost(t *testing.T) {
	// The commit records start at fork+0x110, +0x210, +0x310, and are 0x40 long.
	for name, test := range map[string]struct {
		plant func(ev *evidence)
		want  compare.WALBytes
	}{
		"captured": {loseThree(3), compare.WALBytes{Min: 0x350, Max: 0x350, MinKnown: true, MaxKnown: true}},
		"bounded by a later attempt": {func(ev *evidence) {
			loseThree(2)(ev)
			ev.clock += 20 * ms
			ev.send(1, txn.Entry{LSN: fork + 0x900, Conn: before})
		}, compare.WALBytes{Min: 0x300, Max: 0x900, MinKnown: true, MaxKnown: true}},
		"nothing lost": {nil, compare.WALBytes{MinKnown: true, MaxKnown: true}},
	} {
		res, _ := failover(test.plant, nil).judge(t, testCase())
		if diff := cmp.Diff(test.want, res.RPO.WAL); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	res, _ := failover(loseThree(2), nil).judge(t, testCase())
	if w := res.RPO.WAL; w.Min != 0x300 || w.MaxKnown || w.Why == "" || w.Exact() {
		t.Errorf("an end that nobody knows: %+v", w)
	}
}

// Two sibling branches share what lies below the earlier fork.
func TestWALBytesOfASibling(t *testing.T) {
	ev := failover(loseThree(3), nil)
	for i := range ev.facts.Branches {
		ev.facts.Branches[i].ID++
	}
	root := pg.Branch{ID: 1, System: 7, Timeline: 9, HasHistory: true}
	ev.facts.Branches = append(pg.Branches{root}, ev.facts.Branches...)
	for i, f := range []pg.LSN{fork - 0x100, fork} {
		ev.facts.Branches[i+1].Parent, ev.facts.Branches[i+1].Fork = 1, f
	}
	ev.facts.BranchOf = func(_ txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(c + 1) }
	for w := range ev.commits {
		for i := range ev.commits[w] {
			ev.commits[w][i].Branch++
		}
	}
	ev.facts.Survivor.Branch = 3
	res, _ := ev.judge(t, testCase())
	if got := res.RPO.WAL.Min; got != 0x450 {
		t.Errorf("lost %#x bytes, want 0x450", got)
	}
}

func TestLimits(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	d := func(v time.Duration) *time.Duration { return &v }
	for _, test := range []struct {
		objective string
		limit     compare.Limits
		want      compare.Verdict
	}{
		{compare.RPOTransactions, compare.Limits{Transactions: n(3)}, compare.Met},
		{compare.RPOTransactions, compare.Limits{Transactions: n(2)}, compare.Breached},
		{compare.RPORows, compare.Limits{Rows: n(2)}, compare.Breached},
		{compare.RPORows, compare.Limits{Rows: n(100)}, compare.Met},
		{compare.RPOPayloadBytes, compare.Limits{PayloadBytes: n(99)}, compare.Breached},
		{compare.RPOWALBytes, compare.Limits{WALBytes: n(0x34f)}, compare.Breached},
		{compare.RPOWALBytes, compare.Limits{WALBytes: n(0x350)}, compare.Met},
		{compare.RPOSeconds, compare.Limits{Span: d(3 * ms)}, compare.Breached},
		{compare.RPOSeconds, compare.Limits{Span: d(4 * ms)}, compare.Met},
		{compare.RTOGlobal, compare.Limits{RTOGlobal: d(time.Second)}, compare.Breached},
		{compare.RTOGlobal, compare.Limits{RTOGlobal: d(2 * time.Second)}, compare.Met},
		{compare.RTOWorkerMax, compare.Limits{RTOWorkerMax: d(time.Second)}, compare.Breached},
		{compare.Diverged, compare.Limits{Diverged: n(2)}, compare.Breached},
		{compare.Diverged, compare.Limits{Diverged: n(3)}, compare.Met},
		{compare.CDC, compare.Limits{CDC: n(0)}, compare.Inconclusive}, // the slots were not checked
	} {
		c := testCase()
		c.Limits = test.limit
		res, _ := failover(loseThree(3), nil).judge(t, c)
		for _, o := range res.Objectives {
			if o.Name == test.objective && (!o.Asked || o.Verdict != test.want) {
				t.Errorf("%s: %v (measured %v, limit %v), want %v; %s", o.Name, o.Verdict, o.Measured, o.Limit, test.want, o.Why)
			}
		}
	}
}

// What is shorter than anything measured is not shown as none at all.
func TestShortOutageIsNotMeasuredAsNone(t *testing.T) {
	ev := failover(nil, nil)
	c := testCase()
	c.OutageThreshold = time.Minute
	res, _ := ev.judge(t, c)
	for _, o := range res.Objectives {
		if o.Name == compare.RTOGlobal && o.Known {
			t.Errorf("%s is measured as %v", o.Name, o.Measured)
		}
	}
}

func TestStallMakesTheRTOInconclusive(t *testing.T) {
	limit := time.Second
	c := testCase()
	c.Limits.RTOGlobal = &limit
	ev := failover(nil, nil)
	ev.facts.Drivers[0].Stalls = []txn.Stall{{From: 500 * ms, To: 600 * ms, Cause: "ticker"}}
	res, _ := ev.judge(t, c)
	if res.Verdict != compare.Inconclusive || !strings.Contains(strings.Join(res.Reasons, "\n"), "stalled") {
		t.Errorf("verdict %v, reasons %q", res.Verdict, res.Reasons)
	}
	ev.facts.Drivers[0].Stalls[0] = txn.Stall{From: time.Hour, To: 2 * time.Hour}
	if res, _ = ev.judge(t, c); res.Verdict != compare.Breached {
		t.Errorf("a stall at another time: verdict %v, want breached", res.Verdict)
	}
}

func TestFaultsSeen(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(ev *evidence)
		want  int
	}{
		"a failover": {func(*evidence) {}, 1},
		"a restart": {func(ev *evidence) {
			ev.facts.BranchOf = func(txn.Driver, txn.Conn) pg.BranchID { return 2 }
		}, 1},
		"a crash alone": {func(ev *evidence) { ev.facts.BranchOf = nil }, 1},
		"an outage alone": {func(ev *evidence) {
			ev.facts.Drivers[0].Connections = ev.facts.Drivers[0].Connections[:1]
		}, 1},
		"an outage without a lost connection": {func(ev *evidence) {
			ev.facts.Drivers[0].Connections, ev.facts.Survivor.Branch = ev.facts.Drivers[0].Connections[:1], 1
			for i := range ev.facts.Drivers[0].Probes {
				ev.facts.Drivers[0].Probes[i].Fault = txn.OtherFault
			}
		}, 0},
		"a branch that was not known at first": {func(ev *evidence) {
			ev.facts.Drivers[0].Connections[1].Start = 100
			ev.facts.Drivers[0].Probes = nil
			ev.facts.BranchOf = func(_ txn.Driver, c txn.Conn) pg.BranchID { return 2 * pg.BranchID(c-1) }
		}, 0},
		"a connection that did not say to whom": {func(ev *evidence) {
			ev.facts.Drivers[0].Connections[1].Start = 0
			ev.facts.Drivers[0].Probes = nil
		}, 0},
		"back to a server met before": {func(ev *evidence) {
			again := ev.facts.Drivers[0].Connections[0]
			again.At, again.Number = 9, 1
			ev.facts.Drivers[0].Connections = append(ev.facts.Drivers[0].Connections, again)
		}, 1},
	} {
		ev := failover(nil, nil)
		test.spoil(ev)
		if res, _ := ev.judge(t, testCase()); res.FaultsSeen != test.want {
			t.Errorf("%s: %d faults seen, want %d", name, res.FaultsSeen, test.want)
		}
	}
}

func TestStreamWithoutItsEndProvesNoGap(t *testing.T) {
	for name, spoil := range map[string]func(ev *evidence){
		"not complete":           func(ev *evidence) { ev.facts.Capture.Complete = false },
		"not heard":              func(ev *evidence) { ev.facts.Capture.Heard = false },
		"another's end remained": func(ev *evidence) { ev.facts.SentinelKept = []int32{2} },
		"its end did not remain": func(ev *evidence) { ev.facts.SentinelKept = nil },
	} {
		ev := failover(nil, nil)
		ev.commits[0] = ev.commits[0][:7]
		spoil(ev)
		c := testCase()
		c.Limits.CDC, c.Limits.Diverged = new(int64), new(int64)
		res, found := ev.judge(t, c)
		if len(found) != 0 || res.Verdict != compare.Inconclusive || res.Capture.Complete || res.Capture.Why == "" {
			t.Errorf("%s: found %v, verdict %v, capture %+v", name, namesOf(found), res.Verdict, res.Capture)
		}
	}
}

// An attempt that may have ended after capture began is not excused.
func TestOnlyWhatEndedBeforeCaptureIsExcused(t *testing.T) {
	ev := failover(uncapturedBefore, nil)
	ev.facts.Capture.Start = pg.Position{Branch: 1, LSN: fork - 0x8800}
	if res, found := ev.judge(t, testCase()); len(found) != 1 || res.Capture.Before != 0 {
		t.Errorf("found %v, before capture %d", namesOf(found), res.Capture.Before)
	}
}

// An attempt in doubt that was told no LSN lies past what its connection was
// told before, and nothing is known of the first on a connection.
func TestBoundOfAnAttemptThatWasToldNothing(t *testing.T) {
	for name, test := range map[string]struct {
		conn txn.Conn
		want pg.LSN
	}{"same connection": {after, fork + 0x1A00 - 0x20}, "new connection": {after + 1, 0}} {
		_, found := failover(nil, func(ev *evidence) {
			ev.keep(0, after)
			ev.lsn = fork + 0x1900
			ev.keep(0, after)
			id, ops := ev.send(0, txn.Entry{Conn: test.conn, Phase: txn.Sent})
			ev.mark(id, ops)
		}).judge(t, testCase())
		if len(found) != 1 || found[0].Min != test.want {
			t.Errorf("%s: found %+v, want one past %v", name, found, test.want)
		}
	}
}

func TestAnAttemptAtTwoPositions(t *testing.T) {
	c := testCase()
	c.Limits.CDC = new(int64)
	ev := failover(nil, nil)
	again := ev.commits[0][9]
	again.LSN, again.End = again.LSN+0x40, again.End+0x40
	ev.commits[0] = append(ev.commits[0], again)
	res, found := ev.judge(t, c)
	if names := namesOf(found); !slices.Equal(names, []string{"capture_mismatch 0/10"}) || res.Verdict != compare.Breached {
		t.Errorf("found %v, verdict %v", names, res.Verdict)
	}
}

func TestPositionsThatOneAttemptMayHave(t *testing.T) {
	for name, test := range map[string]struct {
		outcome txn.Outcome
		second  pg.LSN
		want    int64
	}{
		"in doubt, one survives":   {txn.InDoubt, fork + 0x80, 0},
		"in doubt, both survive":   {txn.InDoubt, fork - 0x40, 1},
		"acked, only one survives": {txn.Acked, fork + 0x80, 1},
	} {
		res, _ := failover(func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: fork - 0x90, Conn: before, Outcome: test.outcome})
			ev.mark(id, ops)
			ev.capture(id, 1, fork-0x80, ops)
			ev.capture(id, 1, test.second, ops)
		}, nil).judge(t, testCase())
		if got := res.Counts[compare.CaptureMismatch]; got != test.want {
			t.Errorf("%s: counted %d, want %d", name, got, test.want)
		}
	}
}

// A record that ends at the fork survives; one that starts there does not.
func TestTheForkItself(t *testing.T) {
	lose := func(lower, upper pg.LSN) compare.Witness {
		res, _ := failover(func(ev *evidence) {
			ev.send(0, txn.Entry{LSN: lower, Conn: before, Outcome: txn.Acked})
			ev.clock += 20 * ms
			ev.send(1, txn.Entry{LSN: upper, Conn: before})
		}, nil).judge(t, testCase())
		return res.Witnesses.ClientLSN
	}
	for _, test := range []struct {
		lower, upper   pg.LSN
		survives, lost int64
	}{
		{fork - 0x40, fork, 1, 0},
		{fork - 0x40, fork + 1, 0, 0},
		{fork, fork + 0x40, 0, 1},
		{fork - 1, fork + 0x40, 0, 0},
	} {
		if w := lose(test.lower, test.upper); w.Survives != test.survives || w.Lost != test.lost {
			t.Errorf("%v to %v: survives %d, lost %d, want %d, %d", test.lower, test.upper, w.Survives, w.Lost, test.survives, test.lost)
		}
	}
}

func TestWarnedAcksAreCountedApart(t *testing.T) {
	ev := failover(lostOne(txn.AckedUnreplicated), nil)
	plain, _ := ev.judge(t, testCase())
	c := testCase()
	c.Acks = compare.StrictAcks
	strict, _ := ev.judge(t, c)
	if plain.Attempts.Acked != 20 || plain.Attempts.Unreplicated != 1 || plain.Witnesses.Rows.Lost != 0 || plain.RPO.Transactions != 0 || plain.RPO.Unreplicated != 1 {
		t.Errorf("plain: %+v, rows %+v", plain.Attempts, plain.Witnesses.Rows)
	}
	if strict.Attempts.Acked != 21 || strict.Witnesses.Rows.Lost != 1 || strict.RPO.Transactions != 1 || strict.RPO.Unreplicated != 1 {
		t.Errorf("strict: %+v, rows %+v", strict.Attempts, strict.Witnesses.Rows)
	}
	if plain.Breaks[compare.LostUnreplicated] || !strict.Breaks[compare.LostUnreplicated] {
		t.Error("the class breaks the run under strict acks, and only then")
	}
}

// A limit that was broken is told with its unit.
func TestBrokenLimitHasItsUnit(t *testing.T) {
	second, byte1 := time.Second, int64(1)
	c := testCase()
	c.Limits = compare.Limits{RTOGlobal: &second, PayloadBytes: &byte1}
	res, _ := failover(loseThree(3), nil).judge(t, c)
	reasons := strings.Join(res.Reasons, "\n")
	for _, want := range []string{" s (limit: 1 s)", " B (limit: 1 B)"} {
		if !strings.Contains(reasons, want) {
			t.Errorf("%q is not said: %q", want, reasons)
		}
	}
}
