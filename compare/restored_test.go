package compare_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// restored plants an attempt that was lost past the fork, and is on the survivor by
// a salvage; again is where the stream showed it.
func restored(outcome txn.Outcome, again ...func(ev *evidence, id txn.ID, ops int32)) func(ev *evidence) {
	return func(ev *evidence) {
		ev.lsn = fork
		id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: outcome})
		ev.mark(id, ops)
		ev.facts.Restored = append(ev.facts.Restored, id)
		for _, show := range again {
			show(ev, id, ops)
		}
	}
}

func shownPast(ev *evidence, id txn.ID, ops int32)  { ev.capture(id, 1, fork+0x80, ops) }
func shownAgain(ev *evidence, id txn.ID, ops int32) { ev.capture(id, 2, fork+0x9000, ops) }

// What a salvage brought back is lost and restored, whatever the stream showed of
// either transaction; the witnesses agree. It is for acked attempts alone.
func TestRestored(t *testing.T) {
	for _, tc := range []struct {
		name     string
		plant    func(ev *evidence)
		want     []string
		lost     int64
		restored int64
	}{
		{"never captured", restored(txn.Acked), []string{"lost_transaction 0/6"}, 1, 1},
		{"captured", restored(txn.Acked, shownPast), []string{"lost_transaction 0/6"}, 1, 1},
		{"captured, and again when it was restored", restored(txn.Acked, shownPast, shownAgain), []string{"lost_transaction 0/6"}, 1, 1},
		{"captured only when it was restored", restored(txn.Acked, shownAgain), []string{"lost_transaction 0/6"}, 1, 1},
		{"with the warning", restored(txn.AckedUnreplicated, shownPast), []string{"lost_unreplicated 0/6"}, 0, 0},
		{"failed, so nobody's to restore", func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Failed, Fault: txn.OtherFault, Phase: txn.Answered})
			ev.mark(id, ops)
			ev.capture(id, 1, ev.next(), ops)
			ev.facts.Restored = append(ev.facts.Restored, id)
		}, []string{"phantom_transaction 0/6"}, 0, 0},
		{"named as restored, and not there", func(ev *evidence) {
			lostOne(txn.Acked)(ev)
			ev.facts.Restored = append(ev.facts.Restored, txn.ID{Run: testCase().Run, Worker: 0, Seq: 6})
		}, []string{"lost_transaction 0/6"}, 1, 0},
		{"another one of the same session was kept", func(ev *evidence) {
			id, ops := ev.send(0, txn.Entry{LSN: ev.next(), Conn: before, Outcome: txn.Acked})
			ev.mark(id, ops)
			ev.facts.Restored = append(ev.facts.Restored, id)
			ev.keep(0, before)
		}, []string{"hole 0/6", "lost_transaction 0/6"}, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, found := failover(tc.plant, nil).judge(t, testCase())
			if diff := cmp.Diff(tc.want, namesOf(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if res.RPO.Transactions != tc.lost || res.RPO.Restored != tc.restored || res.Witnesses.Disagreements != 0 {
				t.Errorf("%d lost, %d of them restored, want %d and %d; witnesses %+v", res.RPO.Transactions, res.RPO.Restored, tc.lost, tc.restored, res.Witnesses)
			}
			if tc.lost > 0 && res.Verdict != compare.Breached {
				t.Errorf("verdict %v", res.Verdict)
			}
		})
	}
}
