package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
)

func resetCommand(logging *logFlags) *cobra.Command {
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "drop what pgrpo keeps on primary and repo, and nothing else",
		Long: `reset drops what runs have left on the primary: pgrpo's tables, publications and
slots that nobody uses. With --repo-pgdsn it drops the repo's schema too, and
with that all runs it has; their directories stay. While a run goes on, it drops
nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, _, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return reset(cmd.Context(), &cluster, log)
		},
	}
	cluster.schemaOnly(cmd.Flags(), "; without it only the primary is cleaned")
	return cmd
}

// reset drops what pgrpo keeps on the primary, and on the repo if it is named.
func reset(ctx context.Context, cluster *clusterFlags, log *slog.Logger) error {
	primary, standbys, err := cluster.targets()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, schemaTime)
	defer cancel()
	conn, err := node.Connect(ctx, primary, "pgrpo/reset")
	if err != nil {
		return err
	}
	dropped, left, err := node.Reset(ctx, conn)
	node.Close(conn)
	for _, what := range dropped {
		log.Info("dropped", "what", what, "on", primary.String())
	}
	for _, what := range left {
		log.Warn("left", "what", what, "on", primary.String())
	}
	if err != nil {
		return err
	}
	if len(standbys) > 0 {
		log.Info("slots of standbys are dropped with their run; none is touched here")
	}
	if cluster.repo == "" {
		return nil
	}
	r, err := repo.Open(ctx, cluster.repo)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Drop(ctx); err != nil {
		return err
	}
	log.Info("dropped", "what", "schema pgrpo", "on", r.String())
	return nil
}
