package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

const (
	// askTime bounds all that one server is asked, reachTime one connect to it.
	askTime   = 20 * time.Second
	reachTime = 5 * time.Second
	// A server that is being promoted shows two roles or timelines in turn: it is
	// asked anew so often, after so long.
	askTries = 5
	askPause = 200 * time.Millisecond
)

// fromServers asks all hosts at once. One that does not answer is among the nodes as
// unreachable; if none answers, the error says why of each.
func fromServers(ctx context.Context, hosts []node.Target) ([]lineage.Node, error) {
	nodes := make([]lineage.Node, len(hosts))
	errs := make([]error, len(hosts))
	ask := func(which func(lineage.Node) bool) {
		var all sync.WaitGroup
		for i, h := range hosts {
			if which(nodes[i]) {
				all.Go(func() { nodes[i], errs[i] = fromServer(ctx, h) })
			}
		}
		all.Wait()
	}
	ask(func(lineage.Node) bool { return true })
	// Those that write are asked once more after the others: whoever follows one is
	// then never seen past its end.
	ask(func(n lineage.Node) bool { return n.Writes })
	for _, err := range errs {
		if err == nil {
			return nodes, nil
		}
	}
	return nodes, errors.Join(errs...)
}

// fromServer asks one server until its answers fit together.
func fromServer(ctx context.Context, host node.Target) (lineage.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var w word
	var err error
	for range askTries {
		if w, err = hear(ctx, host.WithTimeout(reachTime).WithoutCancel()); err != nil || w.fits() {
			break
		}
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
		}
	}
	name := host.Addresses()[0]
	if err != nil {
		return lineage.Node{Name: name, Role: lineage.Unreachable, Unseen: []string{oneLine(err)}}, err
	}
	n := w.node()
	n.Name = name
	return n, nil
}

// word is what one server said: by SQL, and over a replication connection, where
// unheard says why it did not.
type word struct {
	id      node.Identity
	ends    node.Ends
	system  node.System
	unheard error
}

func hear(ctx context.Context, host node.Target) (word, error) {
	conn, err := node.Connect(ctx, host, "pgrpo/timeline")
	if err != nil {
		return word{}, err
	}
	defer node.Close(conn)
	var w word
	if w.id, err = node.Identify(ctx, conn); err != nil {
		return word{}, err
	}
	if err := newEnough(w.id, host.Addresses()[0]); err != nil {
		return word{}, err
	}
	w.system, w.unheard = node.ReadSystem(ctx, host)
	w.ends, err = node.ReadEnds(ctx, conn)
	return w, err
}

// newEnough is an error for a server of a version that pgrpo does not know.
func newEnough(id node.Identity, name string) error {
	if id.VersionNum < node.OldestVersion {
		return trouble.Refuse("%s runs PostgreSQL %s; 13 or newer is needed", name, id.Version)
	}
	return nil
}

// fits tells whether both connections spoke of one server in one state.
func (w word) fits() bool {
	return w.oneServer() && (w.unheard != nil || w.id.Timeline == 0 || w.id.Timeline == w.system.Timeline)
}

func (w word) oneServer() bool {
	return w.id.InRecovery == (w.ends.Flush == 0) && (w.unheard != nil || w.id.System == 0 || w.id.System == w.system.SystemID)
}

// node is what the server said, as one of the picture. Of a standby whose receiver
// is on another timeline than its replay, the log is that which it replays.
func (w word) node() lineage.Node {
	n := lineage.Node{
		Role: lineage.Primary, Writes: true, System: w.id.System, Timeline: w.id.Timeline, HasHistory: w.id.Timeline == 1,
		Insert: w.ends.Insert, Flush: w.ends.Flush, Receive: w.ends.Receive, Replay: w.ends.Replay, End: w.ends.Flush,
		SegmentBytes: w.id.SegmentBytes, Version: w.id.Version, Start: w.id.Start,
	}
	if w.id.InRecovery {
		n.Role, n.Writes = lineage.Standby, false
		n.End = max(n.Receive, n.Replay)
	}
	switch {
	case w.unheard != nil && !n.HasHistory:
		n.Unseen = append(n.Unseen, "the history of its timeline: "+oneLine(w.unheard))
	case w.unheard != nil:
		// Timeline 1 has no history, and needs none.
	case !w.oneServer() || n.Writes && !w.fits():
		n.HasHistory = false
		n.Unseen = append(n.Unseen, "the history of its timeline: it changed while it was asked, or two servers answer at its address")
	default:
		if n.Role == lineage.Standby {
			n.End = max(n.Replay, w.system.Position)
			if w.fits() {
				n.End = max(n.End, n.Receive)
			}
		}
		n.System, n.Timeline, n.HasHistory, n.History = w.system.SystemID, w.system.Timeline, w.system.HasHistory, w.system.History
		if !n.HasHistory {
			n.Unseen = append(n.Unseen, fmt.Sprintf("the history of its timeline: the server has no file of timeline %d", n.Timeline))
		}
	}
	if n.System == 0 {
		n.Unseen = append(n.Unseen, fmt.Sprintf("its system identifier: role %q may not call pg_control_system()", w.id.Role))
	}
	return n
}
