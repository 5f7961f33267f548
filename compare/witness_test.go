package compare_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What a client was told of an attempt that was not acked is no witness: it may
// never have reached its commit.
func TestClientLSNSpeaksOfAcksOnly(t *testing.T) {
	for _, outcome := range []txn.Outcome{txn.InDoubt, txn.Failed} {
		res, found := failover(lostOne(outcome), nil).judge(t, testCase())
		if len(found) != 0 || res.Witnesses.ClientLSN.Heard {
			t.Errorf("%v: found %v, client LSN heard: %v", outcome, namesOf(found), res.Witnesses.ClientLSN.Heard)
		}
	}
}

// A branch that was taken for the survivor's proves nothing while the survivor is
// not proven: the witnesses of its history are silent.
func TestUnprovenSurvivorHasNoHistory(t *testing.T) {
	ev := failover(lostOne(txn.Acked), nil)
	ev.facts.Survivor.Proven = false
	res, _ := ev.judge(t, testCase())
	if w := res.Witnesses; w.Log.Heard || w.ClientLSN.Heard || w.Log.Survives != 0 || w.ClientLSN.Lost != 0 {
		t.Errorf("log %+v, client LSN %+v", w.Log, w.ClientLSN)
	}
}

// A marker that is there contradicts a log that has its commit past the fork.
func TestRowsContradictTheLog(t *testing.T) {
	_, found := failover(func(ev *evidence) {
		ev.lsn = fork
		lsn := ev.next()
		id, ops := ev.send(0, txn.Entry{LSN: lsn, Conn: before, Outcome: txn.Acked})
		ev.mark(id, ops)
		ev.capture(id, 1, lsn, ops)
	}, nil).judge(t, testCase())
	if diff := cmp.Diff([]string{compare.WitnessDisagreement.String() + " 0/6"}, namesOf(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
