package plant_test

import (
	"errors"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
)

// bases are a run that lost much, and one that lost nothing.
func bases(t testing.TB, seed uint64) map[string]*plant.Base {
	return map[string]*plant.Base{"lossy": newBase(t, failover(seed, 12)), "clean": newBase(t, failover(seed, 0))}
}

// Each class has a planter, and each planter plants what it says, alone, in one
// of the runs.
func TestPlantersAlone(t *testing.T) {
	var planted [compare.Classes]bool
	did := map[string]bool{}
	for seed := range uint64(8) {
		for name, b := range bases(t, seed) {
			for _, pl := range plant.Planters() {
				p, ok := b.Alone(pl, seed)
				if !ok {
					continue
				}
				did[pl.Name] = true
				o, err := p.Try(compare.Judge)
				if err != nil {
					t.Fatalf("%s, seed %d, %s: %v", name, seed, pl.Name, err)
				}
				for _, wrong := range o.Wrong {
					t.Errorf("%s, seed %d, %s: %s", name, seed, pl.Name, wrong)
				}
				for _, class := range pl.Classes {
					planted[class] = true
					if o.Planted[class] == 0 {
						t.Errorf("%s, seed %d, %s: planted no %v", name, seed, pl.Name, class)
					}
				}
			}
		}
	}
	for _, pl := range plant.Planters() {
		if !did[pl.Name] {
			t.Errorf("%s: never planted", pl.Name)
		}
	}
	for class := range planted[1:] {
		if class := compare.Class(class + 1); !planted[class] {
			t.Errorf("no planter plants %v", class)
		}
	}
}

// In mixtures of up to ten nothing is missed, and nothing is added.
func TestMixtures(t *testing.T) {
	const rounds = 250
	for name, b := range bases(t, 1) {
		unsure := 0
		for seed := range uint64(rounds) {
			p := b.Mixture(plant.Planters(), 10, seed)
			o, err := p.Try(compare.Judge)
			if errors.Is(err, plant.ErrUnsure) {
				unsure++
				continue
			}
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			for _, wrong := range o.Wrong {
				t.Errorf("%s, seed %d, %s: %s", name, seed, names(p), wrong)
			}
		}
		if unsure > rounds/10 {
			t.Errorf("%s: %d of %d plots have no certain outcome", name, unsure, rounds)
		}
	}
}

func names(p *plant.Plot) []string {
	var all []string
	for _, pl := range p.Planters() {
		all = append(all, pl.Name)
	}
	return all
}

// spoilt is a judge that spoils what the real one hands out.
func spoilt(spoil func(compare.Finding) []compare.Finding) plant.Judge {
	return func(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
		counts := [compare.Classes]int64{}
		res, err := compare.Judge(c, f, s, func(f compare.Finding) error {
			for _, f := range spoil(f) {
				counts[f.Class]++
				if err := emit(f); err != nil {
					return err
				}
			}
			return nil
		})
		counts[compare.CaptureDuplicate] = res.Counts[compare.CaptureDuplicate]
		res.Counts = counts
		return res, err
	}
}

// A judge that misses or adds a finding of any class, or names the wrong row, is
// found out by the planters of that class.
func TestSpoiltJudges(t *testing.T) {
	b := bases(t, 1)
	found := func(pl *plant.Planter, judge plant.Judge) bool {
		for _, name := range []string{"clean", "lossy"} {
			p, ok := b[name].Alone(pl, 1)
			if !ok {
				continue
			}
			o, err := p.Try(judge)
			return err == nil && len(o.Wrong) > 0
		}
		t.Errorf("%s: not planted", pl.Name)
		return false
	}
	for _, pl := range plant.Planters() {
		for _, class := range pl.Classes {
			if class == compare.CaptureDuplicate {
				continue
			}
			judges := map[string]plant.Judge{
				"misses": spoilt(func(f compare.Finding) []compare.Finding {
					if f.Class == class {
						return nil
					}
					return []compare.Finding{f}
				}),
				"doubles": spoilt(func(f compare.Finding) []compare.Finding {
					if f.Class == class {
						return []compare.Finding{f, f}
					}
					return []compare.Finding{f}
				}),
				"names another attempt for": spoilt(func(f compare.Finding) []compare.Finding {
					if f.Class == class {
						f.Seq++
					}
					return []compare.Finding{f}
				}),
				"names another row for": spoilt(func(f compare.Finding) []compare.Finding {
					if f.Class == class {
						f.Row++
					}
					return []compare.Finding{f}
				}),
			}
			for name, judge := range judges {
				if !found(pl, judge) {
					t.Errorf("%s: a judge that %s %v passes", pl.Name, name, class)
				}
			}
		}
	}
}

// A judge that takes what is not proven for good is found out.
func TestHopefulJudge(t *testing.T) {
	hopeful := func(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
		res, err := compare.Judge(c, f, s, emit)
		if res.Verdict == compare.Inconclusive {
			res.Verdict = compare.Met
		}
		return res, err
	}
	b := bases(t, 1)["clean"]
	doubted := 0
	for _, pl := range plant.Planters() {
		p, ok := b.Alone(pl, 1)
		if !ok {
			continue
		}
		o, err := p.Try(hopeful)
		if err != nil {
			t.Fatal(err)
		}
		if o.Verdict == compare.Inconclusive {
			doubted++
			if len(o.Wrong) == 0 {
				t.Errorf("%s: passes", pl.Name)
			}
		}
	}
	if doubted < 10 {
		t.Errorf("only %d kinds of faults leave doubt", doubted)
	}
}

// A run that is misjudged as it is is no base.
func TestMisjudgedBase(t *testing.T) {
	blind := spoilt(func(f compare.Finding) []compare.Finding { return nil })
	if _, err := plant.NewBase(failover(1, 12), blind); !errors.Is(err, plant.ErrMisjudged) {
		t.Errorf("a judge that finds nothing: %v", err)
	}
	loud := spoilt(func(f compare.Finding) []compare.Finding { return []compare.Finding{f, f} })
	if _, err := plant.NewBase(failover(1, 12), loud); !errors.Is(err, plant.ErrMisjudged) {
		t.Errorf("a judge that finds all twice: %v", err)
	}
}
