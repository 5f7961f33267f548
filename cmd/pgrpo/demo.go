package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

func demoCommand(logging *logFlags) *cobra.Command {
	var (
		place  placeFlags
		load   = loadFlags{warmup: duration(3 * time.Second), duration: duration(9 * time.Second)}
		limits limitFlags
		keep   evidenceFlags
		name   string
		unsafe = duration(time.Second)
		detect = duration(1500 * time.Millisecond)
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "own primary, standby and repo, load, a failover, the verdict",
		Long: fmt.Sprintf(`demo starts a primary, a standby and a repo of its own on this machine, loads the
primary, does to it what the scenario says, and judges. Nothing is left running;
the run directory stays.

%s`, scenarios()),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, screen, err := logging.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			which, err := scenario.Parse(name)
			if err != nil {
				return usageError{err}
			}
			tell := func(what string) { log.Info(what) }
			c := run.Config{
				RunDir: place.runDir, Seed: load.seed, Workers: load.workers, Rate: load.rate,
				Warmup: time.Duration(load.warmup), Duration: time.Duration(load.duration),
				ConnectTimeout: time.Duration(load.connTimeout),
				// The servers end with the demo, and slots with them.
				Leftovers: run.KeepLeftovers,
				Version:   version(), Log: log, Screen: screen,
			}
			if c.Mix, err = load.mix(); err != nil {
				return err
			}
			if c.Asked, err = limits.judge(); err != nil {
				return err
			}
			if c.Duration < c.Warmup {
				return usageError{fmt.Errorf("the load of %v ends before its warm-up of %v does: give a longer --duration or a shorter --warmup-duration", c.Duration, c.Warmup)}
			}
			stage, err := openStage(cmd.Context(), place.binDir, which, tell, log)
			if err != nil {
				return err
			}
			defer stage.close(log)
			if c.Primary, err = node.Parse(stage.cluster.DSN()); err != nil {
				return err
			}
			c.Repo = stage.repo.DSN("postgres")
			timing := scenario.Timing{Unsafe: time.Duration(unsafe), Detect: time.Duration(detect)}
			c.Fault = func(ctx context.Context) error { return stage.cluster.Fault(ctx, timing, tell) }
			evidence, err := run.Do(cmd.Context(), c)
			if err != nil {
				return err
			}
			return conclude(cmd, evidence, c.Asked, keep)
		},
	}
	f := cmd.Flags()
	place.add(f)
	load.add(f)
	limits.add(f)
	keep.add(f)
	f.StringVar(&name, "scenario", string(scenario.LossyFailover), "what happens: one of those above")
	f.Var(&unsafe, "unsafe-duration", "lossy-failover, async-commit-crash: how long the load goes on while nothing of it is replicated, or written")
	f.Var(&detect, "detect-duration", "how long it takes until the dead primary is noticed")
	return cmd
}

// scenarios lists the scenarios with what happens in each.
func scenarios() string {
	var b strings.Builder
	b.WriteString("Scenarios:\n")
	for _, s := range scenario.All() {
		fmt.Fprintf(&b, "  %-18s %s\n", s, s.Promise())
	}
	return b.String()
}

// stage is what a demo plays on.
type stage struct {
	box     *sandbox.Sandbox
	cluster *scenario.Cluster
	repo    *sandbox.Server
}

func openStage(ctx context.Context, binDir string, which scenario.Scenario, tell func(string), log *slog.Logger) (_ *stage, err error) {
	found, err := sandbox.Find(ctx, binDir)
	if err != nil {
		return nil, trouble.Unreachable("start demo: %w", err)
	}
	tell(fmt.Sprintf("scenario %s: %s", which, which.Promise()))
	tell(fmt.Sprintf("starting a primary, a standby and a repo: PostgreSQL %s", found[0].Version))
	s := &stage{}
	defer func() {
		if err != nil {
			s.close(log)
			if ctx.Err() != nil {
				err = fmt.Errorf("%w before the load began", context.Cause(ctx))
			} else {
				err = trouble.Unreachable("start demo: %w", err)
			}
		}
	}()
	if s.box, err = sandbox.Open(ctx, sandbox.Config{Binaries: found[0], Log: log}); err != nil {
		return nil, err
	}
	if s.cluster, err = scenario.Build(ctx, s.box, which); err != nil {
		return nil, err
	}
	if s.repo, err = s.box.Primary(ctx, "repo", nil); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *stage) close(log *slog.Logger) {
	var errs []error
	if s.cluster != nil {
		errs = append(errs, s.cluster.Close())
	}
	if s.box != nil {
		errs = append(errs, s.box.Close())
	}
	if err := errors.Join(errs...); err != nil {
		log.Warn("the demo's servers did not end in order", "err", err)
	}
}
