package scenario

import (
	"context"
	"strconv"
	"time"
)

// failoverSlots tells whether the primary has failover slots: from 17 on.
func (c *Cluster) failoverSlots(ctx context.Context) (bool, error) {
	text, err := c.Primary.Value(ctx, "show server_version_num")
	if err != nil {
		return false, err
	}
	version, err := strconv.Atoi(text)
	return version >= 170000, err
}

// synchronizeSlots lets the standby keep copies of the primary's failover slots,
// and no consumer get ahead of it. The standby does not take that setting over:
// once promoted it has no standby to wait for.
func (c *Cluster) synchronizeSlots(ctx context.Context) error {
	has, err := c.failoverSlots(ctx)
	if err != nil || !has {
		return err
	}
	if err := c.Primary.Set(ctx, "synchronized_standby_slots", c.Standby.Name()); err != nil {
		return err
	}
	return c.Standby.Set(ctx, "sync_replication_slots", "on")
}

// awaitSlots waits until the standby has a copy of each failover slot that
// outlives a promotion.
func (c *Cluster) awaitSlots(ctx context.Context, tell func(string)) error {
	has, err := c.failoverSlots(ctx)
	if err != nil || !has {
		return err
	}
	tell("waiting until the standby keeps a copy of the slot")
	want, err := c.Primary.Value(ctx, "select count(*) from pg_replication_slots where failover and not temporary")
	if err != nil {
		return err
	}
	for {
		// The standby keeps a copy once the slot has moved past what it still has of
		// the log; a list of the running transactions lets the slot move.
		if _, err := c.Primary.Value(ctx, "select pg_log_standby_snapshot()"); err != nil {
			return err
		}
		have, err := c.Standby.Value(ctx, "select count(*) from pg_replication_slots where synced and not temporary and invalidation_reason is null")
		if err != nil || have == want {
			return err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
