package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/selftest"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// selfTestCommand tries the judge that it is given, on a run of each scenario.
func selfTestCommand(logging *logFlags, judge plant.Judge, scenarios ...scenario.Scenario) *cobra.Command {
	var (
		place  placeFlags
		seed   uint64
		rounds int
		form   string
	)
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "plant every kind of fault, show that each is found",
		Long: `selftest makes short runs on servers of its own, one of each scenario of the demo.
Then it plants faults in copies of their evidence: markers and rows taken away,
altered, torn and brought back, captured changes removed, doubled and swapped,
ledgers cut and damaged, forks moved, a second writable node, a slot that was lost
or left a gap. Each copy is judged, and what is found must be what was planted:
nothing less, and nothing more. It also tells what the runs did not exercise.

Exit status: 0 all that was planted was found and nothing else, 1 anything was
missed or added. Nothing is left running; the run directories stay.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, _, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if rounds < 1 {
				return usageError{fmt.Errorf("--rounds %d: want 1 or more", rounds)}
			}
			if form != "text" && form != "json" {
				return usageError{fmt.Errorf("--report %q: want text or json", form)}
			}
			ctx := cmd.Context()
			found, err := sandbox.Find(ctx, place.binDir)
			if err != nil {
				return trouble.Unreachable("start selftest: %w", err)
			}
			trials, err := selftest.Play(ctx, selftest.Config{
				Binaries: found[0], Scenarios: scenarios, RunDir: place.runDir, Seed: seed, Version: version(), Log: log, Judge: judge,
			})
			if ctx.Err() != nil {
				return fmt.Errorf("%w before anything was planted", context.Cause(ctx))
			}
			if errors.Is(err, plant.ErrMisjudged) {
				fmt.Fprintln(cmd.ErrOrStderr(), "pgrpo: "+oneLine(err))
				return verdictError{compare.Breached}
			}
			if err != nil {
				return err
			}
			log.Info(fmt.Sprintf("planting and judging %d rounds", rounds))
			r, err := selftest.Try(ctx, trials, seed, rounds, judge)
			if err != nil {
				return err
			}
			if form == "json" {
				err = r.JSON(cmd.OutOrStdout())
			} else {
				_, err = fmt.Fprint(cmd.OutOrStdout(), r.Text())
			}
			if err != nil {
				return judgingError{err}
			}
			if !r.Passed() {
				return verdictError{compare.Breached}
			}
			return nil
		},
	}
	f := cmd.Flags()
	place.add(f)
	f.Uint64Var(&seed, "seed", 1, "what all chance is drawn from: the load's and that of what is planted")
	f.IntVar(&rounds, "rounds", 100, "how often faults are planted: one alone and a mixture each time")
	f.StringVar(&form, "report", "text", "how the report is written: text or json")
	return cmd
}
