package gather

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Lives gathers all that is known of these attempts, and tells their lives in the
// order given.
func (s *Source) Lives(ctx context.Context, ids []txn.ID) ([]explain.Life, error) {
	bounds, err := s.bounds(ids)
	if err != nil {
		return nil, err
	}
	all := make([]explain.Facts, len(ids))
	at := make(map[txn.ID]*explain.Facts, len(ids))
	for i, id := range ids {
		f := &all[i]
		*f = s.common
		f.ID, f.Account, at[id] = id, compare.NoEntry, f
		f.Unseen = append([]string{}, s.common.Unseen...)
		r := s.reserves[id.Worker]
		f.Started = s.drivers[r.Driver].Started
		if b := bounds[id]; b != nil {
			f.Account, f.Entry, f.Branch, f.Min, f.Max = compare.Account(b.entry.Outcome), b.entry, b.line.branch, b.min, b.max
			if c, there := s.conns[connKey{r.Driver, b.entry.Conn}]; there && b.entry.Conn != 0 {
				f.Server = &c
			}
		}
		if f.Ops, f.Unplanned, err = s.planned(id); err != nil {
			return nil, err
		}
		if f.Commits, err = s.commits(id); err != nil {
			return nil, err
		}
	}
	if err := s.findings(ctx, at); err != nil {
		return nil, err
	}
	s.askNodes(ctx, all)
	s.readFiles(all)
	lives := make([]explain.Life, len(all))
	for i := range all {
		lives[i] = explain.Of(all[i])
	}
	return lives, nil
}

// planned replays the worker's ledger up to the attempt.
func (s *Source) planned(id txn.ID) ([]txn.Op, string, error) {
	r := s.evidence.Record
	view := plan.New(r.Mix, r.Seed, r.Run, id.Worker)
	next := view.Next()
	if next.Seq == id.Seq {
		return next.Ops, "", nil
	}
	for e, err := range s.live.Entries(id.Worker) {
		if err != nil {
			return nil, "", err
		}
		view.Settle(e)
		if next = view.Next(); next.Seq == id.Seq {
			return next.Ops, "", nil
		}
	}
	return nil, fmt.Sprintf("the plan hangs on the ledger of the attempts before it, which ends at seq %d", next.Seq-1), nil
}

// commits are what the stream showed of the attempt.
func (s *Source) commits(id txn.ID) ([]txn.Commit, error) {
	var found []txn.Commit
	for c, err := range s.live.Commits(id.Worker) {
		if err != nil {
			return nil, err
		}
		if c.Seq > id.Seq {
			break
		}
		if c.Seq == id.Seq {
			found = append(found, c)
		}
	}
	return found, nil
}

// findings takes what the last judgement said of the attempts.
func (s *Source) findings(ctx context.Context, at map[txn.ID]*explain.Facts) error {
	run := s.evidence.Record.Run
	for f, err := range s.evidence.Repo.Findings(ctx, run) {
		if err != nil {
			return err
		}
		to, asked := at[txn.ID{Run: run, Worker: f.Worker, Seq: f.Seq}]
		if !asked {
			continue
		}
		body, err := bodyOf(f)
		if err != nil {
			return err
		}
		words := []string{}
		if body.Row != 0 {
			words = append(words, fmt.Sprintf("row %d", body.Row))
		}
		if body.Text != "" {
			words = append(words, body.Text)
		}
		to.Findings = append(to.Findings, explain.Finding{Class: f.Class, Text: strings.Join(words, ": ")})
	}
	return nil
}

// bodyOf is a finding as the judge made it.
func bodyOf(f repo.Finding) (compare.Finding, error) {
	var body compare.Finding
	if err := json.Unmarshal(f.Body, &body); err != nil {
		return body, fmt.Errorf("read finding %s of worker %d seq %d: %w", f.Class, f.Worker, f.Seq, err)
	}
	return body, nil
}
