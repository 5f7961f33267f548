// Package verdict is where evidence becomes a report: it hands the judge what
// the repo and the survivor hold, or what a directory keeps of them, keeps every
// finding, and renders the result. Whatever fails on the way makes the verdict
// inconclusive, never met.
package verdict

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// facts gathers all evidence that is small. The snapshot is nil where no
// survivor is proven.
func facts(ctx context.Context, e *run.Evidence, s *node.Snapshot) (compare.Facts, error) {
	f := compare.Facts{
		Branches: e.Branches, BranchOf: e.BranchOf, Unresolved: e.Unresolved, Problems: e.Problems,
		Reserves: e.Account.Reserves, Workers: e.Record.Workers,
	}
	for _, v := range e.Visits {
		if v.Err == nil && v.Identity.Pooled {
			f.Poolers = append(f.Poolers, v.Name())
		}
	}
	var err error
	if f.Drivers, err = drivers(ctx, e); err != nil {
		return f, err
	}
	if f.Sentinels, err = e.Repo.Sentinels(ctx, e.Record.Run); err != nil {
		return f, err
	}
	if f.CommitWorkers, err = e.Repo.CommitWorkers(ctx, e.Record.Run); err != nil {
		return f, err
	}
	if f.Capture, err = captured(ctx, e); err != nil {
		return f, err
	}
	return f, survivor(ctx, e, s, &f)
}

// drivers reads what each process of the run told beside its entries.
func drivers(ctx context.Context, e *run.Evidence) ([]compare.Driver, error) {
	contacts, err := e.Repo.Contacts(ctx, e.Record.Run)
	if err != nil {
		return nil, err
	}
	var all []compare.Driver
	for _, row := range e.Account.Drivers {
		d := compare.Driver{ID: row.Driver, Started: row.Started, Clock: row.Clock, Closed: row.Closed}
		for _, c := range contacts {
			if c.Observer == int32(row.Driver) {
				d.Connections = append(d.Connections, c)
			}
		}
		if d.Probes, err = collect(e.Repo.Probes(ctx, e.Record.Run, row.Driver)); err != nil {
			return nil, err
		}
		if d.Stalls, err = collect(e.Repo.Stalls(ctx, e.Record.Run, row.Driver)); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func collect[T any](stream iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range stream {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// captured says what is known of the stream.
func captured(ctx context.Context, e *run.Evidence) (compare.CaptureFacts, error) {
	c := compare.CaptureFacts{Heard: e.Capture.Heard, Complete: e.Capture.Complete, Why: e.Capture.Why}
	gaps, err := e.Repo.Gaps(ctx, e.Record.Run)
	if err != nil {
		return c, err
	}
	c.Gaps = gaps
	progresses, err := e.Repo.Progresses(ctx, e.Record.Run)
	if err != nil {
		return c, err
	}
	for _, p := range progresses {
		if p.Slot != e.Record.Slot {
			continue
		}
		c.Heard = c.Heard || p.Start != 0
		c.Duplicates = p.Duplicates
		c.Start = pg.Position{Branch: startBranch(ctx, e), LSN: p.Start}
		c.Followed = pg.Position{Branch: p.Branch, LSN: max(p.End, p.FollowedTo)}
	}
	return c, nil
}

// startBranch is the branch of capture's first contact, on which the first
// consistent point lies.
func startBranch(ctx context.Context, e *run.Evidence) pg.BranchID {
	contacts, err := e.Repo.Contacts(ctx, e.Record.Run)
	if err != nil {
		return 0
	}
	for _, c := range contacts {
		if c.Observer == -1 && c.Branch != 0 {
			return c.Branch
		}
	}
	return 0
}

// survivor says which node is judged and what of this run is on it.
func survivor(ctx context.Context, e *run.Evidence, s *node.Snapshot, f *compare.Facts) error {
	if e.NoSurvivor != nil {
		f.Survivor.Why = e.NoSurvivor.Error()
		return nil
	}
	v := e.Survivor()
	f.Survivor = compare.Survivor{Branch: v.Branch, Start: v.Identity.Start, Name: v.Name(), Proven: true}
	if s == nil {
		f.Survivor.Proven, f.Survivor.Why = false, "it could not be read"
		return nil
	}
	workers, err := s.MarkerWorkers(ctx, e.Record.Run)
	if errors.Is(err, node.ErrTablesAbsent) {
		f.Survivor.TablesAbsent = true
		return nil
	}
	if err != nil {
		return err
	}
	f.MarkerWorkers = workers
	if f.TableWorkers, err = s.TableWorkers(ctx); err != nil {
		return err
	}
	if f.Restored, err = s.Restored(ctx, e.Record.Run); err != nil {
		return err
	}
	for m, err := range s.Markers(ctx, e.Record.Run, txn.SentinelWorker) {
		if err != nil {
			return fmt.Errorf("read the end transactions: %w", err)
		}
		f.SentinelKept = append(f.SentinelKept, int32(m.Seq))
	}
	return nil
}

// segmentBytes is the size of a WAL segment as any node that answered has it.
func segmentBytes(visits []run.Visit) uint64 {
	for _, v := range visits {
		if v.Err == nil && v.Identity.SegmentBytes != 0 {
			return v.Identity.SegmentBytes
		}
	}
	return 0
}
