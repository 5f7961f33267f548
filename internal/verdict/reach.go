package verdict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
)

// Reach judges the evidence and makes the report of it. The case says what is
// asked; its run, seed and mix are the evidence's. All findings and the report
// are kept in the repo.
//
// It always returns a report: what went wrong while judging is among its
// reasons. The error is for a judgement that could not be kept as a whole; the
// report then says so too.
func Reach(ctx context.Context, e *run.Evidence, c compare.Case) (report.Report, error) {
	return reach(ctx, e, c, Keeping{})
}

// ReachAndKeep reaches a verdict as [Reach] does, and keeps all evidence of it, so
// that [Recheck] can judge it again. Evidence that cannot be kept makes no breach
// undone, but a verdict inconclusive that would be met: what was asked for is not
// there, and the report says so.
func ReachAndKeep(ctx context.Context, e *run.Evidence, c compare.Case, k Keeping) (report.Report, error) {
	return reach(ctx, e, c, k)
}

func reach(ctx context.Context, e *run.Evidence, c compare.Case, k Keeping) (report.Report, error) {
	c.Run, c.Seed, c.Mix = e.Record.Run, e.Record.Seed, e.Record.Mix
	c.SegmentBytes = segmentBytes(e.Visits)
	found, err := newSpool(e.Place.Dir)
	if err != nil {
		// Without a place for the findings there is still a verdict.
		e.Problems = append(e.Problems, err.Error())
	}
	defer found.close()
	j := judge(ctx, e, c, found, k)
	r := j.told.report(c, j.facts, j.result)
	if j.result.Verdict == compare.Met && len(e.Problems) > 0 {
		return r, errors.New("a run with problems was judged met: this is a fault of pgrpo")
	}
	var body bytes.Buffer
	if err := r.JSON(&body); err != nil {
		return r, err
	}
	if err := e.Repo.SaveReport(ctx, e.Record.Run, body.Bytes(), found.all()); err != nil {
		return r, fmt.Errorf("keep the findings: %w", err)
	}
	return r, nil
}

// judgement is all that a report is made of.
type judgement struct {
	facts  compare.Facts
	result compare.Result
	told   told
}

// judge reads the survivor at one moment and lets the judge walk. Whatever
// fails is a problem of the evidence.
func judge(ctx context.Context, e *run.Evidence, c compare.Case, found *spool, k Keeping) judgement {
	streams := &source.Live{Context: ctx, Repo: e.Repo, Run: e.Record.Run, Upto: e.Account.Upto}
	if e.NoSurvivor == nil {
		snapshot, done, err := open(ctx, e.Survivor())
		if err != nil {
			e.Problems = append(e.Problems, fmt.Sprintf("read the survivor: %v", err))
		} else {
			defer done()
			streams.Survivor = snapshot
		}
	}
	f, err := facts(ctx, e, streams.Survivor)
	if err != nil {
		f.Problems = append(f.Problems, fmt.Sprintf("gather the evidence: %v", err))
	}
	slot, slotErr := ownSlot(ctx, e)
	if f.Slot = slot.facts(); slotErr != nil {
		f.Slot.Why = slotErr.Error()
	}
	if streams.Survivor != nil && c.Payload == compare.PayloadSums && k.Dir == "" {
		sum(ctx, e.Survivor(), streams, f.TableWorkers)
	}
	kept := k.begin(c, f, streams, err)
	result, judging := compare.Judge(c, f, kept, func(f compare.Finding) error {
		kept.find(f)
		return found.add(f)
	})
	if judging != nil {
		// The judge has it among its reasons.
		result.Verdict = compare.Worst(result.Verdict, compare.Inconclusive)
	}
	if err != nil && result.Verdict != compare.Breached {
		// What could not be read looks absent: only that it could not counts.
		result.Verdict, result.Reasons = compare.Inconclusive, f.Problems
	}
	j := judgement{f, result, told{report.Meta{
		Version: e.Record.Version, Started: e.Record.Started, Finished: time.Now(),
		Nodes: nodes(e), Dir: e.Place.Dir,
	}, slot.rows(result.Capture.Lost)}}
	if err := kept.end(j.told); err != nil {
		j.result.Verdict = compare.Worst(result.Verdict, compare.Inconclusive)
		j.result.Reasons = append(j.result.Reasons, err.Error())
	}
	return j
}

// open opens one moment of the survivor, and proves that it is still the server
// that was chosen.
func open(ctx context.Context, v *run.Visit) (*node.Snapshot, func(), error) {
	conn, err := node.Connect(ctx, v.Target, "pgrpo/judge")
	if err != nil {
		return nil, nil, err
	}
	s, err := node.Begin(ctx, conn)
	if err == nil {
		err = same(ctx, conn, v)
	}
	if err != nil {
		node.Close(conn)
		return nil, nil, err
	}
	return s, func() { s.Close(); node.Close(conn) }, nil
}

// same proves that the chosen server answers. It is asked within the
// transaction that reads: a pooler may give each transaction another server.
func same(ctx context.Context, conn *pgconn.PgConn, v *run.Visit) error {
	there, err := node.Answering(ctx, conn)
	if err == nil && there != v.Server() {
		err = fmt.Errorf("%s is another server process now than the one that was chosen", v.Name())
	}
	return err
}

// nodes lists the nodes as the report shows them.
func nodes(e *run.Evidence) []report.Node {
	var all []report.Node
	for i := range e.Visits {
		v := &e.Visits[i]
		n := report.Node{Name: v.Name(), Role: "unreachable"}
		if v.Err == nil {
			n.Role, n.ServerVersion = "primary", v.Identity.Version
			if v.Identity.InRecovery {
				n.Role = "standby"
			}
			n.Survivor = e.NoSurvivor == nil && i == e.Choice.Index
			branch, tl := int32(v.Branch), uint32(v.Identity.Timeline)
			if branch != 0 {
				n.Branch = &branch
			}
			if tl != 0 {
				n.Timeline = &tl
			}
			n.LSN = known(v.Identity.Insert)
			for _, z := range e.Choice.Zombies {
				if z == i && e.NoSurvivor == nil {
					n.Role = "zombie"
				}
			}
		}
		all = append(all, n)
	}
	for _, name := range e.Record.Nodes {
		if !slices.ContainsFunc(all, func(n report.Node) bool { return n.Name == name }) {
			all = append(all, report.Node{Name: name, Role: "unasked"})
		}
	}
	return all
}
