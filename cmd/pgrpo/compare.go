package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/run"
)

func compareCommand(logging *logFlags) *cobra.Command {
	var (
		cluster clusterFlags
		place   placeFlags
		limits  limitFlags
		keep    evidenceFlags
		capture = duration(time.Minute)
	)
	cmd := &cobra.Command{
		Use:   "compare RUN",
		Short: "judge a run again, or one whose own process was killed",
		Long: `compare ships what is left of the run's journal, follows the stream to a new end,
asks the nodes and judges. RUN is the run's number, as in 20261120-170201. It
needs the same --primary-pgdsn as the run, and its --repo-pgdsn if it had one. The
limits, --expect and --strict-acks are those of the run, but for those that are
given anew.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			log, screen, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			given, err := limits.judge()
			if err != nil {
				return err
			}
			number, err := run.ParseRunName(args[0])
			if err != nil {
				return err
			}
			where, err := run.FindPlace(place.runDir, number)
			if err != nil {
				return err
			}
			c := run.Config{
				Repo: cluster.repo, RunDir: place.runDir, BinDir: place.binDir, CaptureTimeout: time.Duration(capture),
				Version: version(), Log: log, Screen: screen,
			}
			if c.Primary, c.Standbys, err = cluster.targets(); err != nil {
				return err
			}
			evidence, err := run.Finish(cmd.Context(), c, where)
			if err != nil {
				return err
			}
			return conclude(cmd, evidence, limits.anew(evidence.Record.Asked, given), keep)
		},
	}
	f := cmd.Flags()
	cluster.add(f, " that the run had; an embedded one is found in the run's directory")
	place.add(f)
	limits.add(f)
	keep.add(f)
	f.Var(&capture, "capture-timeout", "how long the stream may take to come to its end")
	return cmd
}
