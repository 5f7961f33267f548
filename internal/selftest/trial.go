package selftest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// Trial is one real run that was judged, to plant in.
type Trial struct {
	Scenario scenario.Scenario
	// Run names it; its directory stays.
	Run string
	// Base is its evidence, and what was found in it.
	Base *plant.Base
	// Journal is the file of its one driver.
	Journal []byte
	// Visits is on how many connections capture read.
	Visits int
}

// Config says how the runs are made.
type Config struct {
	// Binaries are the server programs.
	Binaries sandbox.Binaries
	// Scenarios are what happens, one run for each. One in which nothing may be
	// lost lets each fault decide the verdict; one in which much is lost lets it
	// be brought back.
	Scenarios []scenario.Scenario
	// RunDir holds the directories of the runs.
	RunDir string
	// Seed is what the load draws its chance from.
	Seed    uint64
	Version string
	Log     *slog.Logger
	// Judge judges; nil stands for [compare.Judge].
	Judge plant.Judge
}

// judge is the judge that is tried.
func (c Config) judge() plant.Judge {
	if c.Judge == nil {
		return compare.Judge
	}
	return c.Judge
}

// Play makes the runs, at the same time. Nothing is left running. An error means that there is no
// run to plant in, or that its judgement as it is contradicts itself.
func Play(ctx context.Context, c Config) ([]*Trial, error) {
	trials := make([]*Trial, len(c.Scenarios))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range c.Scenarios {
		group.Go(func() (err error) {
			if trials[i], err = playOne(ctx, c, s); err != nil {
				return fmt.Errorf("make the run %s: %w", s, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return trials, nil
}

func playOne(ctx context.Context, c Config, s scenario.Scenario) (_ *Trial, err error) {
	box, err := sandbox.Open(ctx, sandbox.Config{Binaries: c.Binaries, Log: c.Log})
	if err != nil {
		return nil, trouble.Unreachable("start servers: %w", err)
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	cluster, err := scenario.Build(ctx, box, s)
	if err != nil {
		return nil, trouble.Unreachable("start servers: %w", err)
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	repo, err := box.Primary(ctx, "repo", nil)
	if err != nil {
		return nil, trouble.Unreachable("start servers: %w", err)
	}
	primary, err := node.Parse(cluster.DSN())
	if err != nil {
		return nil, err
	}
	timing := scenario.Timing{Unsafe: 300 * time.Millisecond, Detect: 1200 * time.Millisecond}
	log := c.Log.With("scenario", string(s))
	e, err := run.Do(ctx, run.Config{
		Primary: primary, Repo: repo.DSN("postgres"), RunDir: c.RunDir, Seed: c.Seed, Version: c.Version, Log: log,
		Mix:     plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 40},
		Workers: 4, Rate: 400, Warmup: 1500 * time.Millisecond, Duration: 5 * time.Second,
		ConnectTimeout: time.Second, CaptureTimeout: 30 * time.Second,
		Fault:     func(ctx context.Context) error { return cluster.Fault(ctx, timing, func(string) {}) },
		Leftovers: run.KeepLeftovers,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.WithoutCancel(ctx))) }()
	return read(ctx, c, s, e)
}

// read reads all evidence of a run once.
func read(ctx context.Context, c Config, s scenario.Scenario, e *run.Evidence) (*Trial, error) {
	gathered, err := verdict.Gather(ctx, e)
	if err != nil {
		return nil, err
	}
	defer gathered.Close()
	evidence, err := plant.Read(gathered.Case, gathered.Facts, nodes(e), gathered.Streams)
	if err != nil {
		return nil, err
	}
	t := &Trial{Scenario: s, Run: run.RunName(e.Record.Run)}
	if t.Base, err = plant.NewBase(evidence, c.judge()); err != nil {
		return nil, err
	}
	contacts, err := e.Repo.Contacts(ctx, e.Record.Run)
	if err != nil {
		return nil, err
	}
	for _, contact := range contacts {
		if contact.Observer == captureObserver {
			t.Visits++
		}
	}
	t.Journal, err = os.ReadFile(e.Place.Journal(driverOf(evidence)))
	return t, err
}

// captureObserver is the observer number of capture's contacts.
const captureObserver = -1

// driverOf is the one driver of a run that this package made.
func driverOf(e *plant.Evidence) txn.Driver { return e.Facts.Drivers[0].ID }

// nodes are what the nodes said of themselves.
func nodes(e *run.Evidence) []compare.NodeFacts {
	var all []compare.NodeFacts
	for _, v := range e.Visits {
		n := compare.NodeFacts{Name: v.Name(), Reachable: v.Err == nil}
		if v.Err != nil {
			n.Why = v.Err.Error()
		} else {
			n.Writable, n.Branch = !v.Identity.InRecovery, v.Branch
			n.System, n.Timeline, n.Start = v.Identity.System, v.Identity.Timeline, v.Identity.Start
		}
		all = append(all, n)
	}
	return all
}
