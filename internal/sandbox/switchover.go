package sandbox

import (
	"context"
	"fmt"
)

// Rejoin makes the server a standby of upstream, by way of via if it is not
// empty, and waits until it streams. A stopped server is started as a standby; a
// running standby is turned to the new upstream. This needs histories that
// allow it: a server that has WAL past the point where upstream's timeline
// branched off, as a killed primary may, is not rewound and never streams; it is
// then left running as a standby without an upstream, and the error has the end
// of its log.
func (v *Server) Rejoin(ctx context.Context, upstream *Server, via string) error {
	if err := v.rejoin(ctx, upstream, via); err != nil {
		return fmt.Errorf("rejoin server %s to %s: %w", v.name, upstream.name, err)
	}
	return nil
}

func (v *Server) rejoin(ctx context.Context, upstream *Server, via string) error {
	running := v.Running()
	if running {
		standby, err := v.InRecovery(ctx)
		if err != nil {
			return err
		}
		if !standby {
			return fmt.Errorf("it runs as a primary: stop it first")
		}
	}
	if err := v.follow(ctx, upstream, via); err != nil {
		return err
	}
	if running {
		v.mu.Lock()
		err := v.configure()
		v.mu.Unlock()
		if err != nil {
			return err
		}
		if err := v.Reload(ctx); err != nil {
			return err
		}
	} else {
		if err := v.signalStandby(); err != nil {
			return err
		}
		if err := v.Start(ctx); err != nil {
			return err
		}
	}
	if err := v.WaitStreaming(ctx, upstream); err != nil {
		return err
	}
	// The slot that upstream had here would retain WAL for ever.
	return v.Exec(ctx, fmt.Sprintf(
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND slot_type = 'physical' AND NOT active",
		literal(upstream.name)))
}

// Switchover exchanges the roles of a primary and its standby and loses nothing:
// the primary is stopped, which sends all WAL to the standby; when the standby
// has replayed the shutdown checkpoint it is promoted, and the old primary
// becomes its standby, by way of via if it is not empty. ctx bounds it all, also
// a standby that cannot be reached.
func Switchover(ctx context.Context, primary, standby *Server, via string) error {
	if err := switchover(ctx, primary, standby, via); err != nil {
		return fmt.Errorf("switch over from %s to %s: %w", primary.name, standby.name, err)
	}
	return nil
}

func switchover(ctx context.Context, primary, standby *Server, via string) error {
	if err := standby.WaitStreaming(ctx, primary); err != nil {
		return err
	}
	if err := primary.Stop(ctx, Fast); err != nil {
		return err
	}
	lsn, err := shutdownCheckpoint(primary.data)
	if err != nil {
		return err
	}
	// The position is the start of the record, what is replayed an end.
	if err := standby.waitReplayed(ctx, fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)), ">"); err != nil {
		return err
	}
	if err := standby.Promote(ctx); err != nil {
		return err
	}
	return primary.Rejoin(ctx, standby, via)
}
