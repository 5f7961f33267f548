// Package scenario builds small clusters of real servers and does to them what
// goes wrong in the field: a failover that loses commits, a clean switchover, a
// crash and restart with and without loss, a failover under synchronous
// replication. The demo shows them, and the tests hold the verdicts against them.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
)

// Scenario names what happens to the cluster.
type Scenario string

// The scenarios.
const (
	// LossyFailover freezes replication while the load goes on, kills the
	// primary with SIGKILL and promotes the standby: what was acked since
	// the freeze is lost.
	LossyFailover Scenario = "lossy-failover"
	// CleanSwitchover exchanges primary and standby in good order.
	CleanSwitchover Scenario = "clean-switchover"
	// CrashRestart kills the primary with SIGKILL and starts it again.
	CrashRestart Scenario = "crash-restart"
	// SyncFailover kills a primary that waits for its standby at each
	// commit, and promotes the standby.
	SyncFailover Scenario = "sync-failover"
	// AsyncCommitCrash kills a primary that acknowledges commits before
	// their WAL is written, and starts it again: what was only in memory is
	// lost, and positions and transaction ids are used again on the same
	// timeline.
	AsyncCommitCrash Scenario = "async-commit-crash"
	// FailoverSlot is a SyncFailover whose standby synchronizes the slots of the
	// primary, from 17 on: the stream goes on from the standby's copy. Before 17
	// there is no such thing, and the slot dies with the primary.
	FailoverSlot Scenario = "failover-slot"
)

// All lists the scenarios, the default first.
func All() []Scenario {
	return []Scenario{LossyFailover, CleanSwitchover, CrashRestart, SyncFailover, AsyncCommitCrash, FailoverSlot}
}

// Parse finds a scenario by its name.
func Parse(name string) (Scenario, error) {
	for _, s := range All() {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("unknown scenario %q: want one of %v", name, All())
}

// Promise says in a sentence what the scenario does and what must come out.
func (s Scenario) Promise() string {
	switch s {
	case LossyFailover:
		return "replication stops unnoticed, the primary dies, the standby is promoted: acknowledged commits will be lost"
	case CleanSwitchover:
		return "primary and standby exchange their roles in good order: nothing may be lost"
	case CrashRestart:
		return "the primary is killed and started again: nothing may be lost"
	case SyncFailover:
		return "the primary commits synchronously to its standby and is killed, the standby is promoted: nothing may be lost"
	case AsyncCommitCrash:
		return "the primary acknowledges before it writes (synchronous_commit = off) and is killed and started again: acknowledged commits will be lost"
	case FailoverSlot:
		return "as sync-failover, and the standby keeps a copy of the slot (from PostgreSQL 17 on): the slot survives without a gap; before 17 it is lost"
	default:
		return string(s)
	}
}

// settings are those of the primary that the scenario needs.
func (s Scenario) settings() map[string]string {
	if s != AsyncCommitCrash {
		return nil
	}
	return map[string]string{
		"synchronous_commit": "off",
		"wal_writer_delay":   "10s",
		// Full buffers would be written, whoever fills them.
		"wal_buffers": "64MB",
		// Whole pages would take up the positions that lost commits had.
		"full_page_writes": "off",
	}
}

// Cluster is a primary and the standby that streams from it through a relay.
type Cluster struct {
	Scenario         Scenario
	Primary, Standby *sandbox.Server
	// Link is what stands between the two.
	Link *relay.Relay
}

// Build starts the servers that the scenario needs in the sandbox, under the
// names primary and standby, and waits until the standby streams.
func Build(ctx context.Context, box *sandbox.Sandbox, s Scenario) (*Cluster, error) {
	c := &Cluster{Scenario: s}
	if err := c.build(ctx, box); err != nil {
		return nil, errors.Join(fmt.Errorf("build cluster for %s: %w", s, err), c.Close())
	}
	return c, nil
}

func (c *Cluster) build(ctx context.Context, box *sandbox.Sandbox) (err error) {
	if c.Primary, err = box.Primary(ctx, "primary", c.Scenario.settings()); err != nil {
		return err
	}
	if c.Link, err = relay.Listen(context.WithoutCancel(ctx), c.Primary.Addr()); err != nil {
		return err
	}
	if c.Standby, err = box.Standby(ctx, "standby", c.Primary, c.Link.Addr()); err != nil {
		return err
	}
	if err := c.Standby.WaitStreaming(ctx, c.Primary); err != nil {
		return err
	}
	if c.Scenario == FailoverSlot {
		if err := c.synchronizeSlots(ctx); err != nil {
			return err
		}
	}
	if c.Scenario != SyncFailover && c.Scenario != FailoverSlot {
		return nil
	}
	return c.Primary.Set(ctx, "synchronous_standby_names", "standby")
}

// DSN names both servers; a client is to follow whichever takes writes.
func (c *Cluster) DSN() string {
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		Host:     c.Primary.Addr() + "," + c.Standby.Addr(),
		RawQuery: "sslmode=disable&target_session_attrs=read-write",
	}
	return u.String()
}

// Close closes the link. The servers are the sandbox's.
func (c *Cluster) Close() error {
	if c.Link == nil {
		return nil
	}
	return c.Link.Close()
}

// Timing says how long the parts of a fault take.
type Timing struct {
	// Unsafe is how long the load goes on while replication is frozen
	// unnoticed.
	Unsafe time.Duration
	// Detect is how long nobody notices that the primary is dead.
	Detect time.Duration
}

// Fault does what the scenario is named for and returns when the cluster takes
// writes again. Each deed is told before it is done.
func (c *Cluster) Fault(ctx context.Context, t Timing, tell func(string)) error {
	if err := c.fault(ctx, t, tell); err != nil {
		return fmt.Errorf("cause %s: %w", c.Scenario, err)
	}
	return nil
}

func (c *Cluster) fault(ctx context.Context, t Timing, tell func(string)) error {
	switch c.Scenario {
	case LossyFailover:
		tell("freezing replication; the load goes on and the primary keeps acknowledging")
		c.Link.Freeze()
		if err := wait(ctx, t.Unsafe); err != nil {
			return err
		}
		return c.failover(ctx, t, tell)
	case CleanSwitchover:
		tell("switching over: the primary stops, the standby has received all, and is promoted")
		return sandbox.Switchover(ctx, c.Primary, c.Standby, "")
	case CrashRestart:
		return c.restart(ctx, t, tell)
	case SyncFailover:
		return c.failover(ctx, t, tell)
	case FailoverSlot:
		if err := c.awaitSlots(ctx, tell); err != nil {
			return err
		}
		return c.failover(ctx, t, tell)
	case AsyncCommitCrash:
		tell("the WAL writer falls behind; the load goes on and the primary keeps acknowledging")
		if _, err := c.Primary.HoldWAL(ctx); err != nil {
			return err
		}
		if err := wait(ctx, t.Unsafe); err != nil {
			return err
		}
		return c.restart(ctx, t, tell)
	default:
		return fmt.Errorf("unknown scenario %q", c.Scenario)
	}
}

func (c *Cluster) restart(ctx context.Context, t Timing, tell func(string)) error {
	tell("killing the primary with SIGKILL")
	if err := c.Primary.Kill(); err != nil {
		return err
	}
	if err := wait(ctx, t.Detect); err != nil {
		return err
	}
	tell("starting it again: it recovers from its WAL")
	return c.Primary.Start(ctx)
}

func (c *Cluster) failover(ctx context.Context, t Timing, tell func(string)) error {
	tell("killing the primary with SIGKILL")
	if err := c.Primary.Kill(); err != nil {
		return err
	}
	c.Link.Sever()
	if err := wait(ctx, t.Detect); err != nil {
		return err
	}
	tell("promoting the standby")
	return c.Standby.Promote(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
