package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const ms = time.Millisecond

// timed is an entry sent and ended at given milliseconds.
func timed(sent, end int, o txn.Outcome, f txn.Fault) txn.Entry {
	return txn.Entry{Sent: time.Duration(sent) * ms, Took: time.Duration(end-sent) * ms, Outcome: o, Fault: f}
}

// spans shows outages as start and end in milliseconds.
func spans(outages []compare.Outage) [][2]int64 {
	var all [][2]int64
	for _, o := range outages {
		all = append(all, [2]int64{o.From.Sub(testStart).Milliseconds(), o.To.Sub(testStart).Milliseconds()})
	}
	return all
}

func TestOutages(t *testing.T) {
	acks := func(c *compare.Clock, w txn.Worker, ends ...int) {
		for _, end := range ends {
			c.Add(w, testStart, timed(end-5, end, txn.Acked, txn.NoFault))
		}
	}
	refused := func(c *compare.Clock, w txn.Worker, at int) {
		c.AddProbe(testStart, txn.Probe{Worker: w, At: time.Duration(at) * ms, Fault: txn.Refused})
	}
	for _, test := range []struct {
		name         string
		feed         func(c *compare.Clock)
		want         [][2]int64
		open         bool
		disconnected bool
		worker       time.Duration
	}{
		{name: "nothing", feed: func(*compare.Clock) {}},
		{name: "all went down", feed: func(c *compare.Clock) {
			acks(c, 0, 100, 200)
			refused(c, 0, 250)
			acks(c, 0, 3000)
			acks(c, 1, 150, 210)
			acks(c, 1, 2900, 3100)
			refused(c, 1, 230)
		}, want: [][2]int64{{210, 2900}}, disconnected: true, worker: 2800 * ms},
		{name: "one worker goes on", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			refused(c, 0, 110)
			acks(c, 0, 3000)
			acks(c, 1, 100, 900, 1800, 2700, 3000)
		}, worker: 2900 * ms},
		{name: "a pause of the load", feed: func(c *compare.Clock) { acks(c, 0, 100, 5000) }},
		{name: "one attempt hangs", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			c.Add(0, testStart, timed(110, 4000, txn.Acked, txn.NoFault))
		}, want: [][2]int64{{100, 4000}}, worker: 3900 * ms},
		{name: "not seen to return", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			c.Add(0, testStart, timed(110, 1000, txn.InDoubt, txn.Reset))
			refused(c, 0, 2500)
		}, want: [][2]int64{{100, 2500}}, open: true, disconnected: true, worker: 2400 * ms},
		{name: "before the first ack", feed: func(c *compare.Clock) {
			refused(c, 0, 100)
			acks(c, 0, 3000)
		}, worker: 2900 * ms},
		{name: "a connection lost late", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			refused(c, 0, 150)
			refused(c, 0, 4500)
			acks(c, 0, 5000)
			acks(c, 1, 100, 1050, 2000)
		}, want: [][2]int64{{2000, 5000}}, disconnected: true, worker: 4900 * ms},
		{name: "a connection lost while another was served", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			refused(c, 0, 150)
			acks(c, 0, 5000)
			acks(c, 1, 100, 1050, 2000)
		}, want: [][2]int64{{2000, 5000}}, worker: 4900 * ms},
		{name: "shorter than the threshold", feed: func(c *compare.Clock) {
			acks(c, 0, 100)
			refused(c, 0, 110)
			acks(c, 0, 1000)
		}, worker: 900 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := compare.NewClock(time.Second, 100*ms)
			test.feed(c)
			got := c.Outages()
			if diff := cmp.Diff(test.want, spans(got)); diff != "" {
				t.Errorf("outages (-want +got):\n%s", diff)
			}
			if len(got) > 0 && (got[0].Open != test.open || got[0].Disconnected != test.disconnected) {
				t.Errorf("open %v, disconnected %v, want %v, %v", got[0].Open, got[0].Disconnected, test.open, test.disconnected)
			}
			if worst := c.WorkerLongest(); worst != test.worker {
				t.Errorf("longest of a worker %v, want %v", worst, test.worker)
			}
		})
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	c := compare.NewClock(time.Second, time.Second)
	for f := txn.NoFault; f <= txn.OtherFault; f++ {
		c.Add(0, testStart, timed(int(f), int(f), txn.Failed, f))
	}
	want := compare.Errors{Refused: 1, Reset: 1, Timeout: 1, ReadOnly: 1, StartingUp: 1, ShuttingDown: 1, TooManyConnections: 1, Other: 1}
	if diff := cmp.Diff(want, c.Errors()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// The outages of workers fed one after the other are the gaps of all acks
// together in which any attempt was under way for longer than the threshold.
func TestOutagesAreTheGapsOfAllAcks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compare.NewClock(time.Second, time.Second)
		var sent, acked []int
		for w := range rapid.IntRange(1, 4).Draw(t, "workers") {
			at := 0
			for range rapid.IntRange(0, 8).Draw(t, "acks") {
				from := at + rapid.IntRange(0, 1500).Draw(t, "idle")
				at = from + rapid.IntRange(2, 4000).Draw(t, "took")
				c.Add(txn.Worker(w), testStart, timed(from, at, txn.Acked, txn.NoFault))
				sent, acked = append(sent, from), append(acked, at)
			}
		}
		ends := slices.Sorted(slices.Values(acked))
		var want [][2]int64
		for i := 1; i < len(ends); i++ {
			from, to := ends[i-1], ends[i]
			for k := range sent {
				if sent[k] < to && acked[k] >= to && to-max(sent[k], from) > 1000 {
					want = append(want, [2]int64{int64(from), int64(to)})
					break
				}
			}
		}
		if diff := cmp.Diff(want, spans(c.Outages())); diff != "" {
			t.Fatalf("outages (-want +got):\n%s", diff)
		}
	})
}
