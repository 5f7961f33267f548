package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// trial is one run under way. It owns what has to be closed.
type trial struct {
	config Config
	log    *slog.Logger

	record   Record
	place    Place
	embedded *embedded
	events   *eventLog
	claim    *claim
	repo     *repo.Repo
	driver   txn.Driver
	primary  node.Facts
	// stream is where the logical stream is read.
	stream node.Target
	// watch is what watches the slots of the nodes; nil before the load, and in a later
	// judgement.
	watch *slotWatch
	// made says that slot or publication may exist on the primary.
	made bool
}

// prepare makes all that the load needs: the run's number, its directory, the
// repo, the schema on the primary, and the publication.
func (t *trial) prepare(ctx context.Context) error {
	t.config = t.config.timeouts()
	c := t.config
	if err := c.check(); err != nil {
		return err
	}
	t.log.Info("connecting to " + c.Primary.String())
	conn, err := connectWithin(ctx, c.Primary)
	if err != nil {
		return err
	}
	defer node.Close(conn)
	if t.primary, err = node.Preflight(ctx, conn, node.Need{}); err != nil {
		return err
	}
	t.chooseStream(ctx)
	if err := canMakePlaces(c.RunDir); err != nil {
		return err
	}
	// What would refuse the repo is found before anything is made on the primary.
	if c.Repo != "" {
		err = t.openGivenRepo(ctx, conn)
	} else {
		_, err = repoBinaries(ctx, c.BinDir)
	}
	if err != nil {
		return err
	}
	if err := t.number(ctx, conn); err != nil {
		return err
	}
	if c.Repo == "" {
		t.log.Info("starting the embedded repo")
		if err := t.openEmbeddedRepo(ctx); err != nil {
			return err
		}
	}
	return t.register(ctx, conn)
}

func connectWithin(ctx context.Context, target node.Target) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return node.Connect(ctx, target, "pgrpo/run")
}

// openGivenRepo opens the repo that was named, before anything is made on the
// primary, and refuses one that is the primary itself.
func (t *trial) openGivenRepo(ctx context.Context, primary *pgconn.PgConn) error {
	target, err := node.Parse(t.config.Repo)
	if err != nil {
		return fmt.Errorf("--repo-pgdsn: %w", err)
	}
	conn, err := connectWithin(ctx, target)
	if err != nil {
		return fmt.Errorf("reach the repo: %w", err)
	}
	id, err := node.Identify(ctx, conn)
	node.Close(conn)
	if err != nil {
		return err
	}
	if _, err := node.Preflight(ctx, primary, node.Need{Repo: &id}); err != nil {
		return err
	}
	t.repo, err = repo.Open(ctx, t.config.Repo)
	return err
}

func (t *trial) openEmbeddedRepo(ctx context.Context) (err error) {
	if t.embedded, err = makeEmbedded(ctx, t.place, t.config.BinDir, t.log); err != nil {
		return err
	}
	t.repo, err = repo.Open(ctx, t.embedded.dsn)
	return err
}

// number gives the run its number, which no other run has on this primary, in
// this repo or in this directory: the present second, or one soon after it.
func (t *trial) number(ctx context.Context, conn *pgconn.PgConn) error {
	if _, err := node.Init(ctx, conn, nil); err != nil {
		return err
	}
	started := time.Now()
	for n := txn.Run(started.Unix()); ; n++ {
		err := node.EnsureRun(ctx, conn, n, t.config.Seed)
		if errors.Is(err, node.ErrRunTaken) {
			continue
		}
		if err != nil {
			return err
		}
		if taken, err := t.takenInRepo(ctx, n); taken || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		place, err := makePlace(t.config.RunDir, n)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		// From here on the directory is this run's, to be removed with it.
		t.place = place
		if t.claim, err = claimPlace(t.place); err != nil {
			return err
		}
		if t.events, t.log, err = openEvents(t.place, t.log); err != nil {
			return err
		}
		t.record = Record{
			Run: n, Started: started, Seed: t.config.Seed, Mix: t.config.Mix, Slot: node.NameOf(n),
			EmbeddedRepo: t.config.Repo == "", BinDir: t.config.BinDir, Version: t.config.Version,
			CaptureWait: t.config.CaptureTimeout, Cluster: t.config.Primary.String(), Database: t.primary.Database, Pooled: t.primary.Pooled,
			Asked: t.config.Asked,
		}
		for _, target := range t.nodes() {
			t.record.Nodes = append(t.record.Nodes, target.Addresses()...)
		}
		if t.repo != nil {
			t.record.Repo = t.repo.String()
		}
		return nil
	}
}

// takenInRepo looks for the number in a repo that other runs may share.
func (t *trial) takenInRepo(ctx context.Context, n txn.Run) (bool, error) {
	if t.repo == nil {
		return false, nil
	}
	_, err := t.repo.Run(ctx, n)
	if errors.Is(err, repo.ErrNoRun) {
		return false, nil
	}
	return err == nil, err
}

// register stores the run in the repo, claims driver and workers, and makes
// what the load and capture need on the primary.
func (t *trial) register(ctx context.Context, conn *pgconn.PgConn) error {
	config, err := json.Marshal(t.record)
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	err = t.repo.AddRun(ctx, repo.RunRow{
		Run: t.record.Run, Seed: t.record.Seed, Mix: t.record.Mix, StartedAt: t.record.Started,
		System: t.primary.System, Config: config, Version: t.record.Version,
	})
	if err != nil {
		return err
	}
	t.driver, t.record.Workers, err = t.repo.ClaimDriver(ctx, t.record.Run, repo.Claim{
		Host: hostname(), Pid: os.Getpid(), Shards: 1, Workers: t.config.Workers,
	})
	if err != nil {
		return err
	}
	if err := t.record.write(t.place); err != nil {
		return err
	}
	t.log.Info(fmt.Sprintf("preparing run %s: schema pgrpo on the primary, %d workers", RunName(t.record.Run), len(t.record.Workers)))
	t.log.Info(footprintOf(t.config.Mix).line(t.config.Rate, t.config.Duration))
	lsn, err := node.Init(ctx, conn, t.record.Workers)
	if err != nil {
		return err
	}
	if t.primary.CanReplicate {
		if err := t.tellLeftovers(ctx, conn); err != nil {
			return err
		}
		t.made = true
		err := node.CreatePublication(ctx, conn, t.record.Run, t.record.Workers)
		if err != nil && trouble.Of(err) != trouble.Refused {
			return err
		}
		if err != nil {
			t.primary.CanReplicate, t.primary.Why = false, err.Error()
		}
	}
	if !t.primary.CanReplicate {
		t.log.Warn("the stream will not be heard: " + t.primary.Why)
	}
	behind, err := node.WaitForStandbys(ctx, conn, lsn)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		var names []string
		for _, s := range behind {
			names = append(names, s.Name)
		}
		t.log.Warn("standbys that are not seen to have the schema yet: " + strings.Join(names, ", "))
	}
	return nil
}

// tellLeftovers names what runs that did not end in order have left on the
// primary.
func (t *trial) tellLeftovers(ctx context.Context, conn *pgconn.PgConn) error {
	left, err := node.Leftovers(ctx, conn)
	if err != nil {
		return err
	}
	for _, s := range left {
		t.log.Warn(fmt.Sprintf("slot %s of an earlier run holds back %s of WAL: pgrpo reset drops it", s.Name, megabytes(float64(s.Retained))))
	}
	return nil
}

// header is what a journal of this process begins with.
func (t *trial) header(d txn.Driver) journal.Header {
	return journal.Header{Run: t.record.Run, Driver: d, Started: time.Now(), Host: hostname(), Pid: os.Getpid()}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// abandon removes what a run that sent nothing has left on the primary and in
// its directory.
func (t *trial) abandon(ctx context.Context) error {
	var errs []error
	if t.made {
		errs = append(errs, dropLeftovers(ctx, t.nodes(), t.record))
	}
	errs = append(errs, t.close())
	if t.embedded != nil {
		errs = append(errs, t.embedded.discard())
	}
	if t.place.Dir != "" {
		errs = append(errs, os.RemoveAll(t.place.Dir))
	}
	return errors.Join(errs...)
}

// nodes lists every host that the run was told of.
func (t *trial) nodes() []node.Target {
	var all []node.Target
	for _, target := range append([]node.Target{t.config.Primary}, t.config.Standbys...) {
		all = append(all, target.Hosts()...)
	}
	return all
}

func (t *trial) close() error {
	err := t.events.close()
	if t.repo != nil {
		t.repo.Close()
	}
	if t.embedded != nil {
		err = errors.Join(err, t.embedded.Close())
	}
	return errors.Join(err, t.claim.release())
}
