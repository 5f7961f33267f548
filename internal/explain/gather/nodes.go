package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// nodeTime bounds all that is asked of one node.
const nodeTime = 20 * time.Second

// inspectFrom is the first major version that has pg_walinspect.
const inspectFrom = 15

// askNodes looks on each node for each attempt, and for its commit record.
func (s *Source) askNodes(ctx context.Context, all []explain.Facts) {
	e := s.evidence
	for i := range e.Visits {
		v := &e.Visits[i]
		n := explain.Node{Name: v.Name(), Role: "unreachable", Survivor: e.NoSurvivor == nil && i == e.Choice.Index}
		if v.Err != nil {
			n.Why = v.Err.Error()
			give(all, n)
			continue
		}
		n.Role, n.Branch, n.Timeline = "primary", v.Branch, v.Identity.Timeline
		switch {
		case v.Identity.InRecovery:
			n.Role = "standby"
		case e.NoSurvivor == nil && slices.Contains(e.Choice.Zombies, i):
			n.Role = "zombie"
		}
		s.ask(ctx, v, n, all)
	}
}

// give tells the same of a node to all.
func give(all []explain.Facts, n explain.Node) {
	for i := range all {
		all[i].Nodes = append(all[i].Nodes, n)
	}
}

func (s *Source) ask(ctx context.Context, v *run.Visit, n explain.Node, all []explain.Facts) {
	ctx, cancel := context.WithTimeout(ctx, nodeTime)
	defer cancel()
	conn, err := node.Connect(ctx, v.Target, "pgrpo/explain")
	if err != nil {
		n.Why = err.Error()
		give(all, n)
		return
	}
	defer node.Close(conn)
	for i := range all {
		f := &all[i]
		var err error
		if n.Marker, err = node.MarkerPresent(ctx, conn, f.ID); err != nil {
			n.Why = err.Error()
		}
		f.Nodes = append(f.Nodes, n)
		if v.Identity.VersionNum/10000 < inspectFrom {
			continue
		}
		for _, r := range places(f) {
			s.inspect(ctx, conn, v, r, f)
		}
	}
}

// place is where a commit record is to be looked for: it starts at or past from and
// ends at or before to, if that is known.
type place struct {
	branch   pg.BranchID
	from, to pg.LSN
	xid      pg.Xid
}

// places are where the record of an attempt may be.
func places(f *explain.Facts) []place {
	var all []place
	for _, c := range f.Commits {
		all = append(all, place{c.Branch, c.LSN, c.End, c.Xid})
	}
	if len(all) == 0 && f.Branch != 0 && f.Min != 0 && f.Entry.Xid != 0 && f.Entry.Outcome != txn.Failed {
		all = append(all, place{f.Branch, f.Min, f.Max, f.Entry.Xid})
	}
	return all
}

// inspect looks for the record with the node's own reader, if the node has that part
// of the log.
func (s *Source) inspect(ctx context.Context, conn *pgconn.PgConn, v *run.Visit, p place, f *explain.Facts) {
	has, told := s.evidence.Branches.Survives(pg.Position{Branch: p.branch, LSN: p.from}, v.Branch)
	if !told || !has || p.to == 0 {
		return
	}
	c, ok, err := node.InspectCommit(ctx, conn, p.from, p.to, p.xid)
	switch {
	case errors.Is(err, node.ErrNoInspector):
		f.Unseen = append(f.Unseen, fmt.Sprintf("the commit record on %s: %s", v.Name(), node.ErrNoInspector))
	case err != nil:
		f.Unseen = append(f.Unseen, fmt.Sprintf("the commit record on %s: %s", v.Name(), err))
	case ok:
		f.Sightings = append(f.Sightings, explain.Sighting{
			Branch: p.branch, Source: "pg_walinspect on " + v.Name(), Start: c.Start, End: c.End, Xid: p.xid, Text: c.Description,
		})
	}
}

// readFiles looks for the records in the files of the directory, if there is one.
func (s *Source) readFiles(all []explain.Facts) {
	d := s.directory
	if d == nil {
		return
	}
	for i := range all {
		f := &all[i]
		for _, p := range places(f) {
			b, _ := s.evidence.Branches.Of(p.branch)
			unseen := func(why string) {
				f.Unseen = append(f.Unseen, fmt.Sprintf("the commit record in %s: %s", d.Path, why))
			}
			if why, ok := d.holds(s.evidence.Branches, b); !ok {
				unseen(why)
				continue
			}
			c, ok, err := d.commit(b.Timeline, p.from, p.to, p.xid)
			switch {
			case err != nil:
				unseen(err.Error())
			case !ok:
				unseen("it is not there")
			default:
				f.Sightings = append(f.Sightings, explain.Sighting{Branch: p.branch, Source: d.Path, Start: c.Start, End: c.End, Xid: c.Xid})
			}
		}
	}
}
