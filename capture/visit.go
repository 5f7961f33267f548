package capture

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// visitTimeout bounds the calls that make a connection known; slotTimeout the
// making of a slot, which waits for transactions that run.
const (
	visitTimeout = 15 * time.Second
	slotTimeout  = 60 * time.Second
	// dropPatience is how long a lost slot may stay in use.
	dropPatience = 5 * time.Second
)

var (
	// errRecovery says that the server takes no writes: nothing is read of it.
	errRecovery = errors.New("the server is in recovery; wait for its promotion or name the primary")
	// errOther says that two connections reached two servers.
	errOther = errors.New("two connections reached two different servers")
)

// visit is a pair of connections to one server process: one for queries, one
// for replication.
type visit struct {
	side, repl *pgconn.PgConn
	id         node.Identity
	system     node.System
}

// call connects to the writers' server and proves that both connections reach
// the same process, which is not in recovery.
func call(ctx context.Context, t node.Target, app string) (_ *visit, err error) {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	v := &visit{}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if v.side, err = node.Connect(ctx, t, app); err != nil {
		return nil, err
	}
	if v.id, err = node.Identify(ctx, v.side); err != nil {
		return nil, err
	}
	if v.id.InRecovery {
		return nil, fmt.Errorf("look at %s: %w", v.id.Address, errRecovery)
	}
	if v.repl, err = node.ConnectReplication(ctx, t, app); err != nil {
		return nil, err
	}
	if err := v.compare(ctx); err != nil {
		return nil, err
	}
	if v.system, err = node.ReadSystemOn(ctx, v.repl); err != nil {
		return nil, err
	}
	if v.system.Timeline != v.id.Timeline {
		return nil, fmt.Errorf("look at %s: timelines %d and %d: %w", v.id.Address, v.id.Timeline, v.system.Timeline, errOther)
	}
	v.id.System = v.system.SystemID
	v.id.HasHistory, v.id.History = v.system.HasHistory, v.system.History
	return v, nil
}

// compare asks the replication connection which process it reached, and bounds
// how long the server waits for a client that is gone.
func (v *visit) compare(ctx context.Context) error {
	// A server that waits less long by itself is let do so.
	results, err := v.repl.Exec(ctx, fmt.Sprintf("select set_config('wal_sender_timeout',"+
		" case when setting::int between 1 and %[1]d then setting else '%[1]d' end, false) from pg_settings where name = 'wal_sender_timeout';"+
		"select (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint", senderTimeout.Milliseconds())).ReadAll()
	if err != nil {
		return fmt.Errorf("prepare replication connection: %w", err)
	}
	if len(results) != 2 || len(results[1].Rows) != 1 {
		return errors.New("prepare replication connection: the server answered in an unknown form")
	}
	start, err := strconv.ParseInt(string(results[1].Rows[0][0]), 10, 64)
	if err != nil {
		return fmt.Errorf("prepare replication connection: read start of the server: %w", err)
	}
	if pg.ProcessStart(start) != v.id.Start {
		return fmt.Errorf("look at %s: %w", v.id.Address, errOther)
	}
	return nil
}

func (v *visit) close() {
	for _, c := range []*pgconn.PgConn{v.side, v.repl} {
		if c != nil && !c.IsClosed() {
			node.Close(c)
		}
	}
}

// standing is the slot as it can be read from: its name and its own position.
type standing struct {
	confirmed pg.LSN
	// why says why it was made, empty if it was there.
	why string
}

// stand finds the slot, or makes it where it is missing or cannot be read.
func (v *visit) stand(ctx context.Context, name string, unusable error) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	slot, found, err := node.FindSlot(ctx, v.side, name)
	if err != nil {
		return standing{}, err
	}
	why := txn.SlotMissing
	if found {
		why = v.fault(slot, unusable)
	}
	if why == "" {
		if slot.Plugin != "pgoutput" || slot.Database != v.id.Database {
			return standing{}, trouble.Refuse("read slot %s on %s: it is of plugin %q in database %q, want pgoutput in %q; give another name with --slot",
				name, v.id.Address, slot.Plugin, slot.Database, v.id.Database)
		}
		return standing{confirmed: slot.Confirmed}, nil
	}
	if found {
		if err := node.DropSlot(ctx, v.side, name, dropPatience); err != nil {
			return standing{}, err
		}
	}
	at, err := node.CreateSlot(ctx, v.repl, v.side, name, v.id.VersionNum)
	if err != nil {
		return standing{}, err
	}
	return standing{confirmed: at, why: why}, nil
}

// fault says why a slot that is there cannot be read from, or nothing.
func (v *visit) fault(s node.Slot, unusable error) string {
	switch {
	case s.Invalidation != "":
		return "slot invalidated: " + s.Invalidation
	case s.Lost():
		return "slot lost"
	case s.Confirmed == 0:
		return "slot never became consistent"
	case s.Confirmed > v.system.Position:
		// Such a slot skips, without a word, all that is committed below
		// its position.
		return txn.SlotPoisoned
	case unusable != nil:
		return "slot cannot be read: " + unusable.Error()
	default:
		return ""
	}
}
