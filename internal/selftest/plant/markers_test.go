package plant_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// In a run that has deliveries of its own that came again, each planter that takes a
// transaction out of the stream takes its repetition along.
func TestForgottenRepetitions(t *testing.T) {
	e := failover(1, 20)
	for w, commits := range e.Stream {
		var twice []txn.Commit
		for _, c := range commits {
			twice = append(twice, c, c)
		}
		e.Stream[w] = twice
	}
	b := newBase(t, e)
	for _, pl := range plant.Planters() {
		for seed := range uint64(5) {
			p, ok := b.Alone(pl, seed)
			if !ok {
				continue
			}
			o, err := p.Try(compare.Judge)
			if errors.Is(err, plant.ErrUnsure) {
				continue
			}
			if err != nil || len(o.Wrong) > 0 {
				t.Errorf("%s, seed %d: %v, %q", pl.Name, seed, err, o.Wrong)
			}
		}
	}
}

// Whether the client's LSN says that an attempt survived may hang on milliseconds:
// where the rows say so too, nothing that is found does.
func TestWordThatHangsOnMilliseconds(t *testing.T) {
	e := failover(1, 0)
	last := map[txn.Worker]int{}
	for w, commits := range e.Stream {
		for i, c := range commits {
			if c.Branch == 1 {
				last[w] = i
			}
		}
	}
	for w, i := range last {
		e.Stream[w] = slices.Delete(e.Stream[w], i-1, i+1)
	}
	newBase(t, e)
}

// A marker of another checksum that the stream did not show must be found where
// all content is read, and a judge that does not look at markers is found out.
func TestMarkerThatOnlyItsContentBetrays(t *testing.T) {
	planters := plant.Planters()
	pl := planters[slices.IndexFunc(planters, func(pl *plant.Planter) bool {
		return pl.Name == "marker with another checksum, not captured"
	})]
	blind := spoilt(func(f compare.Finding) []compare.Finding {
		if f.Class == compare.CorruptRow && f.Row == 0 {
			return nil
		}
		return []compare.Finding{f}
	})
	b, tried := bases(t, 1)["clean"], map[compare.Payload]bool{}
	for seed := range uint64(20) {
		p, ok := b.Alone(pl, seed)
		if !ok {
			t.Fatal("not planted")
		}
		full := p.Case.Payload == compare.PayloadFull
		tried[p.Case.Payload] = true
		for _, c := range []struct {
			judge plant.Judge
			fine  bool
		}{{compare.Judge, true}, {blind, !full}} {
			o, err := p.Try(c.judge)
			if err != nil {
				t.Fatal(err)
			}
			if (o.Planted[compare.CorruptRow] == 1) != full || (len(o.Wrong) == 0) != c.fine {
				t.Errorf("seed %d, all content read: %v: %d planted, wrong %q", seed, full, o.Planted[compare.CorruptRow], o.Wrong)
			}
		}
	}
	if len(tried) != 2 {
		t.Errorf("tried only %v", tried)
	}
}
