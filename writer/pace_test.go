package writer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceSpreadsAllWorkersEvenly(t *testing.T) {
	const workers, rate = 4, 1000.0
	var all []time.Duration
	for i := range workers {
		p := newPace(rate, i, workers)
		for n := range int64(250) {
			all = append(all, p.due(n))
		}
	}
	slices.Sort(all)
	for n, at := range all {
		if want := time.Duration(n) * time.Millisecond; at-want < -time.Microsecond || at-want > time.Microsecond {
			t.Fatalf("attempt %d of all workers is due at %v, want %v", n, at, want)
		}
	}
}

func TestPaceClosedLoop(t *testing.T) {
	if p := newPace(0, 3, 4); p.open() || p.due(1000) != 0 {
		t.Fatalf("a rate of 0 gives open %t, due %v", p.open(), p.due(1000))
	}
}

func TestBackoffBounds(t *testing.T) {
	b := backoff{key: 7}
	bound := firstPause
	for range 20 {
		if d := b.next(); d < bound/2 || d > bound {
			t.Fatalf("pause %v, want %v to %v", d, bound/2, bound)
		}
		bound = min(2*bound, lastPause)
	}
	b.reset()
	if d := b.next(); d > firstPause {
		t.Fatalf("pause after reset: %v", d)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if !sleep(t.Context(), time.Hour) {
			t.Fatal("sleep was cut short")
		}
	})
}
