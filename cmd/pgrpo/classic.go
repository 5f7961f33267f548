package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/internal/node"
)

// classicFlags are flags of run that do one thing and leave it at that, as
// users of earlier tools know them.
type classicFlags struct{ init, reset, latency bool }

func (c *classicFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&c.init, "init", false, "only make the schema, as pgrpo init does")
	f.BoolVar(&c.reset, "reset", false, "only drop what pgrpo keeps, as pgrpo reset does")
	f.BoolVar(&c.latency, "check-primary-latency", false, "only measure how long the primary takes to answer")
}

// wanted tells whether any was given. Two at once are refused.
func (c *classicFlags) wanted() (bool, error) {
	n := 0
	for _, given := range []bool{c.init, c.reset, c.latency} {
		if given {
			n++
		}
	}
	if n > 1 {
		return false, usageError{fmt.Errorf("--init, --reset and --check-primary-latency: give one of them")}
	}
	return n == 1, nil
}

// do does the one thing.
func (c *classicFlags) do(cmd *cobra.Command, cluster *clusterFlags, workers int, log *slog.Logger) error {
	switch {
	case c.init:
		return initialize(cmd.Context(), cluster, workers, log)
	case c.reset:
		return reset(cmd.Context(), cluster, log)
	default:
		return showLatency(cmd, cluster)
	}
}

// latencySamples is how many questions the latency is taken from.
const latencySamples = 50

// showLatency prints how long the primary takes for a query that does nothing.
func showLatency(cmd *cobra.Command, cluster *clusterFlags) error {
	primary, _, err := cluster.targets()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), schemaTime)
	defer cancel()
	conn, err := node.Connect(ctx, primary, "pgrpo/latency")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	l, err := node.MeasureLatency(ctx, conn, latencySamples)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Primary latency: %v (median of %d; least %v, greatest %v)\n", l.Median, latencySamples, l.Least, l.Greatest)
	return err
}
