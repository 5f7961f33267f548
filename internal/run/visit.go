package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// judgeObserver is the observer number of the contacts made when judging.
const judgeObserver = -2

// Visit is what asking one node after the load showed.
type Visit struct {
	Target node.Target
	// Err says why the node could not be asked; nothing else is set then.
	Err      error
	Identity node.Identity
	// System is what the node says of its log on a replication connection;
	// SystemErr says why it could not be asked.
	System    node.System
	SystemErr error
	// Branch is found from all contacts together; 0 unknown.
	Branch pg.BranchID
	// Slot is the run's slot on the node, nil if it has none.
	Slot *node.Slot
}

// Name is the node's name in the report.
func (v Visit) Name() string { return v.Target.Addresses()[0] }

// Server is the server process that was asked.
func (v Visit) Server() node.Server {
	return node.Server{Timeline: v.Identity.Timeline, Start: v.Identity.Start}
}

// facts is what the choice of the survivor needs.
func (v Visit) facts() compare.NodeFacts {
	f := compare.NodeFacts{Name: v.Name(), Reachable: v.Err == nil}
	if v.Err != nil {
		f.Why = v.Err.Error()
		return f
	}
	f.Writable, f.Branch = !v.Identity.InRecovery, v.Branch
	f.System, f.Timeline, f.Start = v.Identity.System, v.Identity.Timeline, v.Identity.Start
	return f
}

// visitTime bounds the visit of one node.
const visitTime = 10 * time.Second

// visit asks all nodes at the same time, and looks on each for the marker of
// the last attempt that was acked, if there is one.
func visit(ctx context.Context, targets []node.Target, r Record, last lastAck) []Visit {
	visits := make([]Visit, len(targets))
	var wait sync.WaitGroup
	for i, target := range targets {
		wait.Go(func() { visits[i] = visitOne(ctx, target, r, last) })
	}
	wait.Wait()
	return visits
}

func visitOne(ctx context.Context, target node.Target, r Record, last lastAck) Visit {
	v := Visit{Target: target}
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	target = target.WithTimeout(visitTime / 2)
	conn, err := node.Connect(ctx, target, "pgrpo/judge")
	if err != nil {
		v.Err = err
		return v
	}
	defer node.Close(conn)
	if v.Identity, v.Err = node.Identify(ctx, conn); v.Err == nil && v.Identity.Pooled {
		// All that is asked must be of one server: a transaction keeps it.
		if _, v.Err = conn.Exec(ctx, "begin read only").ReadAll(); v.Err == nil {
			v.Identity, v.Err = node.Identify(ctx, conn)
		}
	}
	if v.Err != nil {
		return v
	}
	if d := v.Identity.Database; r.Database != "" && d != r.Database {
		v.Err = fmt.Errorf("%s was asked in database %q, the run loaded %q: name that one", v.Name(), d, r.Database)
		return v
	}
	v.System, v.SystemErr = node.ReadSystem(ctx, target)
	v.Identity.Observer, v.Identity.At = judgeObserver, time.Now().UnixNano()
	if v.SystemErr == nil {
		v.Identity.System = v.System.SystemID
		v.Identity.HasHistory, v.Identity.History = v.System.HasHistory, v.System.History
		if v.Identity.InRecovery {
			v.Identity.Timeline = v.System.Timeline
		}
	}
	if marker, floor := last.on(v.Identity); floor != 0 && !v.Identity.InRecovery {
		v.Identity.Floor = floor
		if v.Identity.Marker, v.Err = node.MarkerPresent(ctx, conn, marker); v.Err != nil {
			return v
		}
	}
	if slot, ok, err := node.FindSlot(ctx, conn, r.Slot); err == nil && ok {
		v.Slot = &slot
	}
	return v
}

// lastAck is what the ledger says of the acked attempts with the greatest LSN,
// by the server process that acked them.
type lastAck map[serverProcess]ackedMarker

type serverProcess struct {
	system pg.SystemID
	tl     pg.Timeline
	start  pg.ProcessStart
}

// ackedMarker is the acked attempt of a process with the greatest LSN; used is
// when the process was last sent one that it acked.
type ackedMarker struct {
	id   txn.ID
	lsn  pg.LSN
	used time.Time
}

// take adds an acked attempt.
func (l lastAck) take(id txn.ID, lsn pg.LSN, on txn.Connection, sent time.Time) {
	key := serverProcess{on.System, on.Timeline, on.Start}
	m := l[key]
	if lsn > m.lsn {
		m.id, m.lsn = id, lsn
	}
	if sent.After(m.used) {
		m.used = sent
	}
	l[key] = m
}

// on returns the acked attempt to look for on that server, with its LSN; 0
// where none was acked on a log of that name. It is one that the same process
// acked, else one of the process that was last used: a log that went backwards
// lacks what the processes before acked.
func (l lastAck) on(id node.Identity) (txn.ID, pg.LSN) {
	if m, same := l[serverProcess{id.System, id.Timeline, id.Start}]; same {
		return m.id, m.lsn
	}
	var latest ackedMarker
	for key, m := range l {
		if key.system == id.System && key.tl == id.Timeline && m.used.After(latest.used) {
			latest = m
		}
	}
	return latest.id, latest.lsn
}
