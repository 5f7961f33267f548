package compare_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// An entry whose outcome and fault cannot both be true was damaged: neither its
// loss nor its safety may be told from it.
func TestEntryThatContradictsItself(t *testing.T) {
	for name, damage := range map[string]func(*txn.Entry){
		"an ack that became doubt":   func(e *txn.Entry) { e.Outcome = txn.InDoubt },
		"an ack that became failure": func(e *txn.Entry) { e.Outcome = txn.Failed },
		"an ack with a fault":        func(e *txn.Entry) { e.Fault = txn.Reset },
	} {
		ev := failover(nil, nil)
		damage(&ev.entries[0][3])
		ev.markers[0] = append(ev.markers[0][:3:3], ev.markers[0][4:]...)
		ev.commits[0] = append(ev.commits[0][:3:3], ev.commits[0][4:]...)
		res, err := compare.Judge(testCase(), ev.facts, ev, nil)
		if err == nil || res.Verdict != compare.Inconclusive || res.RPO.Transactions != 0 {
			t.Errorf("%s: verdict %v, lost %d, error %v", name, res.Verdict, res.RPO.Transactions, err)
		}
	}
}
