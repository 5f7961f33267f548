package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A crash that lost the end of the log, unnoticed because the marker that was
// looked for had survived, leaves one branch: what the restarted server says of
// its log bounds no commit of the process before it.
func TestLossByACrashBeforeAFork(t *testing.T) {
	const restarted = txn.Conn(3)
	ev := failover(func(ev *evidence) {
		ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
		again := ev.facts.Drivers[0].Connections[0]
		again.Number, again.Start = uint32(restarted), 150
		ev.facts.Drivers[0].Connections = append(ev.facts.Drivers[0].Connections, again)
		ev.facts.BranchOf = func(_ txn.Driver, c txn.Conn) pg.BranchID {
			if c == after {
				return 2
			}
			return 1
		}
		ev.clock *= 100
		for range 5 {
			lsn := ev.next()
			id, ops := ev.send(1, txn.Entry{LSN: lsn - 0x20, Conn: restarted, Outcome: txn.Acked})
			ev.mark(id, ops)
			ev.capture(id, 1, lsn, ops)
		}
	}, nil)
	res, found := ev.judge(t, testCase())
	if res.RPO.Transactions != 1 || res.Verdict != compare.Breached {
		t.Errorf("lost %d, verdict %v, want 1, breached", res.RPO.Transactions, res.Verdict)
	}
	if res.Counts[compare.WitnessDisagreement] != 0 || res.Counts[compare.Hole] != 0 {
		t.Errorf("found %v, want no disagreement and no hole", namesOf(found))
	}
}
