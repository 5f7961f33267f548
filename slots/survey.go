package slots

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// A node has so long to take a connection, and to answer all questions.
const (
	connectTime = 5 * time.Second
	lookTime    = 20 * time.Second
)

// Hosts is one target for each host of all the targets, each host once.
func Hosts(targets ...node.Target) []node.Target {
	var hosts []node.Target
	var names []string
	for _, t := range targets {
		for _, h := range t.Hosts() {
			if name := nameOf(h); !slices.Contains(names, name) {
				hosts, names = append(hosts, h), append(names, name)
			}
		}
	}
	return hosts
}

// nameOf is the name of the node at a target of one host.
func nameOf(host node.Target) string { return host.Addresses()[0] }

// Survey asks all hosts at the same time. A node that does not answer within 20
// seconds, or refuses, is there as unreachable, with the reason.
func Survey(ctx context.Context, hosts []node.Target) Snapshot {
	s := Snapshot{Schema: Schema, Taken: time.Now().UTC().Truncate(time.Millisecond), Nodes: make([]Node, len(hosts))}
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { s.Nodes[i] = look(ctx, h) })
	}
	all.Wait()
	return s
}

// look asks one node.
func look(ctx context.Context, host node.Target) Node {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	n := Node{Name: nameOf(host), Role: RoleUnreachable}
	host = host.WithTimeout(connectTime).WithoutCancel()
	if _, err := n.ask(ctx, host); err != nil {
		n.Role, n.Err = RoleUnreachable, oneLine(err)
		return n
	}
	// The server's own word on its log outweighs what SQL shows.
	system, err := node.ReadSystem(ctx, host)
	if err != nil {
		n.Unseen = append(n.Unseen, "the history of its timeline: "+oneLine(err))
		n.HasHistory = n.Timeline == 1
		return n
	}
	n.System, n.Timeline, n.HasHistory, n.History = system.SystemID, system.Timeline, system.HasHistory, system.History
	return n
}

// ask asks what SQL shows, and returns who answered.
func (n *Node) ask(ctx context.Context, host node.Target) (node.Identity, error) {
	conn, err := node.Connect(ctx, host, "pgrpo/slots")
	if err != nil {
		return node.Identity{}, err
	}
	defer node.Close(conn)
	id, err := node.Identify(ctx, conn)
	if err != nil {
		return node.Identity{}, err
	}
	n.Version, n.System, n.Timeline, n.Started = id.VersionNum, id.System, id.Timeline, id.Start
	if err := n.tooOld(); err != nil {
		return node.Identity{}, err
	}
	view, err := node.ReadSlots(ctx, conn, id)
	if err != nil {
		return node.Identity{}, err
	}
	n.Role = RolePrimary
	if id.InRecovery {
		n.Role = RoleStandby
	}
	n.Slots, n.Settings, n.Syncing, n.Unseen = view.Slots, view.Settings, view.Syncing, view.Unseen
	n.End, n.Replayed, n.StatsReset = view.End, view.Replayed, view.StatsReset
	return id, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// setting is a setting's value; "" is one that was not seen, too.
func (n Node) setting(name string) string { return n.Settings[name] }

// physicalSlot is the slot that a standby streams from, on its primary.
func (n Node) physicalSlot(of Node) (pg.Slot, bool) {
	s, ok := n.Slot(of.setting("primary_slot_name"))
	return s, ok && !s.Logical()
}
