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
	for seed := range uint64(20) {
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
	rounds := uint64(300)
	if testing.Short() {
		rounds = 50
	}
	for name, b := range bases(t, 1) {
		unsure := 0
		for seed := range rounds {
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
		if unsure > int(rounds)/10 {
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
