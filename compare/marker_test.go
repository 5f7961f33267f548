package compare_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// promised is the checksum that an attempt writes into its marker: the xor of
// those of its changes, of which a delete writes no payload.
func promised(c compare.Case, a txn.Attempt) txn.Sum {
	var sum txn.Sum
	for _, op := range a.Ops {
		var payload []byte
		if op.Kind != txn.Delete {
			payload = txn.AppendPayload(nil, c.Seed, a.ID, op.ID, c.Mix.PayloadBytes)
		}
		sum ^= txn.SumOf(a.ID, op.ID, op.Kind, payload)
	}
	return sum
}

// A marker with another checksum than that of what its attempt was to write is
// found where all content is read, whether the stream showed the attempt or not,
// and whatever the client was told of it.
func TestMarkerOfOtherContent(t *testing.T) {
	// No later attempt is planned by the outcome of the last one.
	of := txn.Seq(len(longRun().entries[0]))
	uncaptured := func(ev *evidence) {
		ev.commits[0] = slices.DeleteFunc(ev.commits[0], func(c txn.Commit) bool { return c.Seq == of })
		ev.facts.Capture.Complete = false
	}
	for name, plant := range map[string]func(*evidence){
		"captured": func(*evidence) {},
		"captured just so": func(ev *evidence) {
			for i := range ev.commits[0] {
				if c := &ev.commits[0][i]; c.Seq == of {
					c.Sum, c.SeenSum = c.Sum^1, c.SeenSum^1
				}
			}
		},
		"not captured": uncaptured,
		"turned out committed": func(ev *evidence) {
			uncaptured(ev)
			e := &ev.entries[0][of-1]
			e.Outcome, e.Fault, e.Phase = txn.InDoubt, txn.Reset, txn.Sent
		},
	} {
		for payload, want := range map[compare.Payload]int64{compare.PayloadSums: 0, compare.PayloadFull: 1} {
			ev, c := longRun(), testCase()
			c.Payload = payload
			plant(ev)
			for i := range ev.markers[0] {
				if m := &ev.markers[0][i]; m.Seq == of {
					m.Sum ^= 1
				}
			}
			res, found := ev.judge(t, c)
			found = slices.DeleteFunc(found, func(f compare.Finding) bool { return f.Class != compare.CorruptRow || f.Row != 0 })
			if int64(len(found)) != want || res.Breaks[compare.CorruptRow] != (want > 0) {
				t.Errorf("%s, payload %d: found %v, want %d; breaks %v", name, payload, keysOf(found), want, res.Breaks)
			}
			for _, f := range found {
				if f.Worker != 0 || f.Seq != of || !strings.Contains(f.Text, "marker") {
					t.Errorf("%s: found %q of %v", name, f.Text, f.ID)
				}
			}
		}
	}
}
