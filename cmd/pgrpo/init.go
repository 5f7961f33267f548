package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// schemaTime bounds init and reset.
const schemaTime = time.Minute

func initCommand(logging *logFlags) *cobra.Command {
	var (
		cluster clusterFlags
		workers int
		print   bool
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "make what pgrpo keeps on primary and repo",
		Long: `init makes schema pgrpo with its tables on the primary, waits until the standbys
have it, and brings the repo's schema up to date. A run does the same by itself:
use init where the role of the run may not make a schema.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, _, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if print {
				all, err := firstWorkers(workers)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), node.PrintSQL(all))
				return err
			}
			return initialize(cmd.Context(), &cluster, workers, log)
		},
	}
	f := cmd.Flags()
	cluster.schemaOnly(f, "; without it only the primary is prepared")
	f.IntVar(&workers, "parallel-workers", 8, "number of workers that tables are made for")
	f.BoolVar(&print, "print-sql", false, "print the SQL for the primary and do nothing")
	return cmd
}

// firstWorkers lists the numbers of the first n workers.
func firstWorkers(n int) ([]txn.Worker, error) {
	if n < 1 || n > 1000 {
		return nil, usageError{fmt.Errorf("--parallel-workers %d: want 1 to 1000", n)}
	}
	all := make([]txn.Worker, n)
	for i := range all {
		all[i] = txn.Worker(i)
	}
	return all, nil
}

// initialize makes the schema for that many workers.
func initialize(ctx context.Context, cluster *clusterFlags, workers int, log *slog.Logger) error {
	all, err := firstWorkers(workers)
	if err != nil {
		return err
	}
	primary, _, err := cluster.targets()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, schemaTime)
	defer cancel()
	conn, err := node.Connect(ctx, primary, "pgrpo/init")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	lsn, err := node.Init(ctx, conn, all)
	if err != nil {
		return err
	}
	behind, err := node.WaitForStandbys(ctx, conn, lsn)
	if err != nil {
		return err
	}
	for _, s := range behind {
		log.Warn("a standby is not seen to have it yet", "standby", s.Name)
	}
	log.Info("schema pgrpo is on the primary", "primary", primary.String(), "workers", workers)
	if cluster.repo == "" {
		return nil
	}
	r, err := repo.Open(ctx, cluster.repo)
	if err != nil {
		return err
	}
	defer r.Close()
	log.Info("schema pgrpo is on the repo", "repo", r.String())
	return nil
}
