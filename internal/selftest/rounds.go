package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
)

// mostPlanted is how many faults a mixture holds at most.
const mostPlanted = 10

// mostRedrawn is how often a mixture is drawn anew that has no certain outcome.
const mostRedrawn = 20

// Wrong is one plot that was not judged as it had to be.
type Wrong struct {
	Round   int      `json:"round"`
	Run     string   `json:"run"`
	Planted []string `json:"planted"`
	What    []string `json:"what"`
}

// bench is where the rounds are counted.
type bench struct {
	judge  plant.Judge
	report *Report
	times  map[string]int
	slots  slotTally
}

// Try plants and judges so many rounds. In each, one kind of fault is planted
// alone, in its turn, and up to ten together in another run. Round n of a seed
// plants the same faults in the same run each time.
func Try(ctx context.Context, trials []*Trial, seed uint64, rounds int, judge plant.Judge) (*Report, error) {
	b := &bench{judge: judge, report: &Report{Seed: seed, Rounds: rounds, Wrong: []Wrong{}}, times: map[string]int{}, slots: newSlotTally()}
	for _, t := range trials {
		b.report.Runs = append(b.report.Runs, RunLine{
			Name: t.Run, Scenario: string(t.Scenario), Attempts: t.Base.Result.Attempts.Sent, Verdict: t.Base.Result.Verdict.String(),
		})
	}
	for round := range rounds {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stop at round %d: %w", round, context.Cause(ctx))
		}
		if err := b.alone(trials, seed, round); err != nil {
			return nil, err
		}
		if err := b.together(trials[(round+1)%len(trials)], seed, round); err != nil {
			return nil, err
		}
	}
	b.conclude(trials)
	return b.report, nil
}

// seedOf gives each plot of each round a seed of its own.
func seedOf(seed uint64, round, part int) uint64 {
	return seed*0x9E3779B97F4A7C15 + uint64(round)*64 + uint64(part)
}

// alone plants the fault whose turn it is, in the first run that has a place for
// it, beginning with another one each time.
func (b *bench) alone(trials []*Trial, seed uint64, round int) error {
	turns := round / len(b.planters(trials[0]))
	for i := range trials {
		t := trials[(round+turns+i)%len(trials)]
		all := b.planters(t)
		p, ok := t.Base.Alone(all[round%len(all)], seedOf(seed, round, 0))
		if !ok {
			continue
		}
		if err := b.try(t, p, round); err == nil || !errors.Is(err, plant.ErrUnsure) {
			return err
		}
	}
	return nil
}

// together plants a mixture.
func (b *bench) together(t *Trial, seed uint64, round int) error {
	for part := 1; part <= mostRedrawn; part++ {
		p := t.Base.Mixture(b.planters(t), mostPlanted, seedOf(seed, round, part))
		if err := b.try(t, p, round); !errors.Is(err, plant.ErrUnsure) {
			return err
		}
	}
	return fmt.Errorf("round %d: %d mixtures in %s: %w", round, mostRedrawn, t.Run, plant.ErrUnsure)
}

// planters are all that can be planted in a trial.
func (b *bench) planters(t *Trial) []*plant.Planter {
	return slices.Concat(plant.Planters(), t.journalPlanters(), t.slotPlanters(b.slots))
}

// try judges one plot and counts what came of it.
func (b *bench) try(t *Trial, p *plant.Plot, round int) error {
	o, err := p.Try(b.judge)
	if err != nil {
		return fmt.Errorf("round %d in %s: %w", round, t.Run, err)
	}
	b.report.Plots++
	var names []string
	for _, pl := range p.Planters() {
		b.times[pl.Name]++
		names = append(names, pl.Name)
	}
	for class := range compare.Classes {
		b.report.byClass[class].add(o.Planted[class], o.Found[class], o.Missed[class], o.Extra[class])
	}
	b.report.byVerdict[o.Verdict]++
	if len(o.Wrong) > 0 {
		b.report.Wrong = append(b.report.Wrong, Wrong{round, t.Run, names, o.Wrong})
	}
	return nil
}

// conclude lists the classes, the kinds of faults, and what was not exercised.
func (b *bench) conclude(trials []*Trial) {
	r := b.report
	for class := compare.Class(1); class < compare.Classes; class++ {
		line := r.byClass[class]
		line.Class = class.String()
		for _, t := range trials {
			line.InRuns += t.Base.Result.Counts[class]
		}
		r.Classes = append(r.Classes, line)
	}
	r.Classes = append(r.Classes, b.slots.lines()...)
	for _, pl := range b.planters(trials[0]) {
		r.Faults = append(r.Faults, FaultLine{pl.Name, b.times[pl.Name]})
	}
	for v, n := range r.byVerdict {
		r.Verdicts = append(r.Verdicts, VerdictLine{compare.Verdict(v).String(), n})
	}
	r.Exercised = exercised(trials)
}
