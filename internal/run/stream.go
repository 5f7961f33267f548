package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// chooseStream finds where the logical stream can be read: at the endpoint of
// the service, or, where that is a pooler which replication cannot go through,
// at the nodes that were named beside it. Where there is none, the run goes on
// without the stream.
func (t *trial) chooseStream(ctx context.Context) {
	t.stream = t.config.Primary
	if !t.primary.CanReplicate || !t.primary.Pooled {
		return
	}
	_, err := node.ReadSystem(ctx, t.config.Primary)
	if err == nil {
		return
	}
	t.log.Debug("the pooler takes no replication", "error", err)
	if t.stream, err = t.streamNodes(ctx); err != nil {
		t.primary.CanReplicate = false
		t.primary.Why = fmt.Sprintf("%s is a pooler, and replication does not go through it: %v", t.config.Primary, err)
	}
}

// streamNodes are the nodes that were named with --standby-pgdsn, if one of
// them is the server that answers behind the pooler.
func (t *trial) streamNodes(ctx context.Context) (node.Target, error) {
	const advice = "name the nodes themselves with --standby-pgdsn, the primary too"
	if len(t.config.Standbys) == 0 {
		return node.Target{}, errors.New(advice)
	}
	nodes, err := node.Union(t.config.Standbys)
	if err != nil {
		return nodes, err
	}
	var others []string
	for _, host := range nodes.Hosts() {
		id, err := identify(ctx, host)
		switch {
		case err != nil:
			others = append(others, err.Error())
		case id.Pooled:
			others = append(others, fmt.Sprintf("so is %s", id.Address))
		case id.Start != t.primary.Start || id.Timeline != t.primary.Timeline:
			others = append(others, fmt.Sprintf("%s is another server than the one that it leads to", id.Address))
		default:
			return nodes, nil
		}
	}
	return nodes, fmt.Errorf("%s; %s", strings.Join(others, "; "), advice)
}

// identify asks one host who it is.
func identify(ctx context.Context, host node.Target) (node.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	conn, err := node.Connect(ctx, host, "pgrpo/run")
	if err != nil {
		return node.Identity{}, err
	}
	defer node.Close(conn)
	return node.Identify(ctx, conn)
}

// directFirst puts the visits behind a pooler last: where a node was visited
// twice, what it says itself counts. A visit behind a pooler learns from the
// other one what no pooler lets through.
func directFirst(visits []Visit) {
	for i := range visits {
		v := &visits[i]
		if v.Err != nil || !v.Identity.Pooled || v.SystemErr == nil {
			continue
		}
		for _, o := range visits {
			if o.Err == nil && !o.Identity.Pooled && o.Server() == v.Server() && (v.Identity.System == 0 || v.Identity.System == o.Identity.System) {
				v.System, v.SystemErr = o.System, o.SystemErr
				v.Identity.System = o.Identity.System
				v.Identity.HasHistory, v.Identity.History = o.Identity.HasHistory, o.Identity.History
			}
		}
	}
	rank := func(v Visit) int {
		if v.Err == nil && v.Identity.Pooled {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(visits, func(a, b Visit) int { return rank(a) - rank(b) })
}

// settleOn settles attempts on the survivor, by what is known of the way that
// they took.
//
// What is unresolved is asked again for a while: a session of pgrpo's own, or
// one of somebody else's behind the same pooler, may just be ending.
func (e *Evidence) settleOn(ctx context.Context, conn *pgconn.PgConn, ids []txn.ID) (map[txn.ID]node.Settlement, error) {
	ask := func(ids []txn.ID) (map[txn.ID]node.Settlement, error) {
		if e.pooled() {
			return node.SettlePooled(ctx, conn, ids, time.Second, e.Survivor().Server())
		}
		return node.Settle(ctx, conn, ids, time.Second)
	}
	found, err := ask(ids)
	for until := time.Now().Add(settlePatience); err == nil; {
		open := slices.DeleteFunc(slices.Clone(ids), func(id txn.ID) bool { return found[id] != node.Unresolved })
		if len(open) == 0 || time.Now().After(until) || !sleep(ctx, settleAgain) {
			break
		}
		var again map[txn.ID]node.Settlement
		again, err = ask(open)
		maps.Copy(found, again)
	}
	return found, err
}

// settlePatience bounds how long attempts are asked for again, settleAgain lies
// between two tries.
const (
	settlePatience = 5 * time.Second
	settleAgain    = 250 * time.Millisecond
)

// pooled tells whether the load went through a pooler, as it was found before
// the load, or as the visits show.
func (e *Evidence) pooled() bool {
	return e.Record.Pooled || slices.ContainsFunc(e.Visits, func(v Visit) bool { return v.Err == nil && v.Identity.Pooled })
}
