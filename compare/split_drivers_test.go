package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// second adds a driver whose clock began so many milliseconds later, by its own
// host's word, with what is known of both clocks.
func (s scene) second(later int, first, second txn.ClockBound) scene {
	s.drivers[0].Clock = first
	s.drivers = append(s.drivers, compare.Driver{ID: 1, Started: testStart.Add(time.Duration(later) * ms), Closed: true, Clock: second})
	return s
}

// The clocks of two drivers set their acks in order only beyond their errors.
func TestSplitBrainAcrossDrivers(t *testing.T) {
	tight := txn.ClockBound{Error: 1 * ms}
	// The first driver has the old primary's acks, the second the new one's.
	acks := []ack{{to: 1, sent: 0, end: 1}, {driver: 1, to: 2, sent: 10, end: 20}, {to: 1, sent: 30, end: 31, lost: true}}
	for _, c := range []struct {
		name         string
		scene        scene
		pairs, found []string
	}{{
		name:  "beyond the errors",
		scene: promotion(acks...).second(0, txn.ClockBound{Error: 5 * ms}, txn.ClockBound{Error: 4 * ms}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 20ms..31ms"}, found: []string{"0/2"},
	}, {
		name:  "just within the errors",
		scene: promotion(acks...).second(0, txn.ClockBound{Error: 5 * ms}, txn.ClockBound{Error: 5 * ms}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 20ms..31ms, perhaps"},
	}, {
		name:  "neither clock was measured",
		scene: promotion(acks...).second(0, txn.ClockBound{}, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 20ms..31ms, perhaps"},
	}, {
		name:  "one clock was not measured",
		scene: promotion(acks...).second(0, tight, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 20ms..31ms, perhaps"},
	}, {
		name:  "the other clock was not measured",
		scene: promotion(acks...).second(0, txn.ClockBound{}, tight),
		pairs: []string{"1/100>2/200: 1, 1 only there, 20ms..31ms, perhaps"},
	}, {
		name:  "a start that is not known",
		scene: promotion(acks...).second(0, txn.ClockBound{}, txn.ClockBound{}).unstarted(),
	}, {
		// By their hosts' word the old primary's ack was asked for 30 ms after
		// the new one's; in truth it was 50 ms before.
		name:  "a skewed clock fakes nothing",
		scene: promotion(acks...).second(-20, tight, txn.ClockBound{Offset: 80 * ms, Error: 1 * ms}),
	}, {
		// The same, the other way round.
		name:  "a skewed clock hides nothing",
		scene: promotion(acks...).second(80, tight, txn.ClockBound{Offset: -75 * ms, Error: 1 * ms}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 25ms..31ms"}, found: []string{"0/2"},
	}, {
		name:  "skewed clocks that nobody measured",
		scene: promotion(acks...).second(-2000, txn.ClockBound{}, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 2, 1 only there, -1.98s..31ms, perhaps"},
	}, {
		name: "what one driver saw itself needs no clocks, and what they leave open is not told beside it",
		scene: promotion(append(slices.Clone(acks), ack{to: 2, sent: 35, end: 40}, ack{to: 1, sent: 45, end: 46, lost: true})...).
			second(0, txn.ClockBound{}, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 40ms..46ms"}, found: []string{"0/3"},
	}, {
		name: "siblings, each met by one driver",
		scene: promotion(ack{to: 3, sent: 0, end: 1, lost: true}, ack{driver: 1, to: 2, sent: 10, end: 20}, ack{to: 3, sent: 30, end: 31, lost: true}).
			second(0, tight, tight).sibling(),
		pairs: []string{"3/300>2/200: 1, 1 only there, 20ms..31ms"}, found: []string{"2/2"},
	}, {
		name: "siblings, each met by one driver, with clocks that do not tell",
		scene: promotion(ack{to: 3, sent: 0, end: 1, lost: true}, ack{driver: 1, to: 2, sent: 10, end: 20}, ack{to: 3, sent: 30, end: 31, lost: true}).
			second(0, tight, txn.ClockBound{Error: 50 * ms}).sibling(),
		pairs: []string{"3/300>2/200: 1, 1 only there, 20ms..31ms, perhaps"},
	}, {
		name: "siblings of which the one may have been the first: the clocks do not tell how long it went on",
		scene: promotion(ack{to: 3, sent: 0, end: 1, lost: true}, ack{driver: 1, to: 2, sent: 10, end: 20}, ack{to: 3, sent: 300, end: 310, lost: true}).
			second(0, tight, txn.ClockBound{Error: 50 * ms}).sibling(),
		pairs: []string{"3/300>2/200: 1, 1 only there, 20ms..310ms, perhaps"},
	}, {
		name: "siblings of which one driver alone does not know that the first went on",
		scene: promotion(ack{to: 2, sent: 1, end: 2}, ack{to: 3, sent: 3, end: 4, lost: true}, ack{driver: 1, to: 2, sent: 10, end: 11}, ack{to: 3, sent: 30, end: 31, lost: true}).
			second(0, txn.ClockBound{}, txn.ClockBound{}).sibling(),
		pairs: []string{"3/300>2/200: 2, 2 only there, 2ms..31ms, perhaps"},
	}, {
		name: "each driver judges by what it saw itself",
		scene: promotion(ack{to: 2, sent: 10, end: 20}, ack{to: 1, sent: 25, end: 30}, ack{driver: 1, to: 2, sent: 10, end: 40},
			ack{driver: 1, to: 1, sent: 35, end: 36}, ack{driver: 1, to: 1, sent: 45, end: 46}).second(0, txn.ClockBound{}, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 2, 0 only there, 20ms..46ms"}, found: []string{"0/1", "2/2"},
	}, {
		name: "each driver judges by what it saw itself, the later one first",
		scene: promotion(ack{driver: 1, to: 2, sent: 10, end: 20}, ack{driver: 1, to: 1, sent: 25, end: 30}, ack{to: 2, sent: 10, end: 40},
			ack{to: 1, sent: 35, end: 36}, ack{to: 1, sent: 45, end: 46}).second(0, txn.ClockBound{}, txn.ClockBound{}),
		pairs: []string{"1/100>2/200: 2, 0 only there, 20ms..46ms"}, found: []string{"0/2", "2/1"},
	}} {
		t.Run(c.name, func(t *testing.T) {
			pairs, found, _ := c.scene.splits(t)
			if d := cmp.Diff(c.pairs, pairs); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.found, found); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}

// unstarted leaves open when the second driver's clock began.
func (s scene) unstarted() scene {
	s.drivers[1].Started = time.Time{}
	return s
}
