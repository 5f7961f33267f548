package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/run"
)

func runCommand(logging *logFlags) *cobra.Command {
	var (
		cluster    clusterFlags
		place      placeFlags
		load       = loadFlags{warmup: duration(10 * time.Second), duration: duration(time.Minute)}
		limits     limitFlags
		keep       evidenceFlags
		faultCmd   string
		faultAfter duration
		capture    = duration(time.Minute)
		keepSlot   bool
		retained   = size(1 << 30)
		delay      duration
		classic    classicFlags
		async      bool
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "load, capture, cause or wait for the fault, compare, report",
		Long: `run loads the primary, captures its logical stream, and judges what a fault lost.

The fault comes from --fault-cmd, or from outside while the load runs. A run in
which nothing happens proves nothing, unless --expect none.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, screen, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if only, err := classic.wanted(); only || err != nil {
				if err != nil {
					return err
				}
				return classic.do(cmd, &cluster, load.workers, log)
			}
			c := run.Config{
				Repo: cluster.repo, RunDir: place.runDir, BinDir: place.binDir, Seed: load.seed, Workers: load.workers,
				Rate: load.rate, Warmup: time.Duration(load.warmup), Duration: time.Duration(load.duration),
				ConnectTimeout: time.Duration(load.connTimeout), CaptureTimeout: time.Duration(capture),
				ValidationDelay: time.Duration(delay), MaxSlotRetained: int64(retained),
				Version: version(), Log: log, Screen: screen,
			}
			if c.Mix, err = load.mix(); err != nil {
				return err
			}
			if c.Asked, err = limits.judge(); err != nil {
				return err
			}
			if c.Primary, c.Standbys, err = cluster.targets(); err != nil {
				return err
			}
			if !async {
				c.RepoMode = run.SyncRepo
			}
			if keepSlot {
				c.Leftovers = run.KeepLeftovers
			}
			if cmd.Flags().Changed("fault-after") {
				switch c.Warmup = time.Duration(faultAfter); {
				case faultCmd == "":
					return usageError{fmt.Errorf("--fault-after %v: there is no --fault-cmd; load before a fault from outside is --warmup-duration", c.Warmup)}
				case c.Warmup > c.Duration:
					return usageError{fmt.Errorf("the load of %v ends before the fault of --fault-after %v: give a longer --duration", c.Duration, c.Warmup)}
				}
			}
			if faultCmd != "" {
				c.Fault = run.Command(faultCmd, os.Stderr, log)
			}
			evidence, err := run.Do(cmd.Context(), c)
			if err != nil {
				return err
			}
			return conclude(cmd, evidence, c.Asked, keep)
		},
	}
	f := cmd.Flags()
	cluster.add(f, "; without it an embedded PostgreSQL keeps it in the run directory")
	place.add(f)
	load.add(f)
	limits.add(f)
	keep.add(f)
	f.StringVar(&faultCmd, "fault-cmd", "", "shell `command` that causes the fault")
	f.Var(&faultAfter, "fault-after", "load before the fault command; --warmup-duration, unless given")
	f.Var(&capture, "capture-timeout", "how long the stream may take to come to its end")
	f.BoolVar(&async, "async-repo-mode", true, "with =false, a worker sends nothing more until its last entry is durable on the repo")
	f.Var(&delay, "validation-delay", "wait between the end of the load and the judgement")
	f.Var(&retained, "max-slot-retained", "WAL that the slot may hold back on the primary before it is dropped, which leaves a gap; 0 never drops it")
	classic.add(f)
	f.BoolVar(&keepSlot, "keep-slot", false, "leave slot and publication on the nodes at the end")
	return cmd
}
