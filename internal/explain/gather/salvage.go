package gather

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// SalvageDead is the salvage of the acknowledged attempts in a dead server's WAL.
func (s *Source) SalvageDead(d explain.Dead) (salvage.Script, error) {
	script := s.script()
	script.Source = "the WAL in " + d.Directory
	script.Fork = fmt.Sprintf("the survivor left timeline %d at %s", d.Timeline, d.Fork)
	for _, a := range d.Attempts {
		if explain.IsAck(a.Outcome) {
			id := txn.ID{Run: s.evidence.Record.Run, Worker: a.Worker, Seq: a.Seq}
			script.Attempts = append(script.Attempts, salvage.Attempt{
				Attempt: txn.Attempt{ID: id}, Place: fmt.Sprintf("committed at %s on timeline %d", a.LSN, d.Timeline),
			})
		}
	}
	return script, s.plan(&script)
}

// Salvage is the salvage of the attempts that the last judgement called lost. A run
// that was not judged is refused.
func (s *Source) Salvage(ctx context.Context) (salvage.Script, error) {
	script := s.script()
	name := run.RunName(s.evidence.Record.Run)
	if _, err := s.evidence.Repo.Report(ctx, s.evidence.Record.Run); err != nil {
		return script, trouble.Refuse("salvage run %s: %w: judge it with pgrpo compare %[1]s", name, err)
	}
	lost, err := s.lost(ctx)
	if err != nil {
		return script, err
	}
	// The lower bounds of what was not captured are in the order of its commits
	// within each worker, whose rows are its own.
	slices.SortFunc(lost, func(a, b compare.Finding) int {
		return cmp.Or(cmp.Compare(a.Branch, b.Branch), cmp.Compare(a.Min, b.Min), byAttempt(a.ID, b.ID))
	})
	script.Source = "the run's last judgement"
	script.Fork = "the survivor is not known"
	if on := s.common.Survivor; on.Branch != 0 {
		b, _ := s.common.Branches.Of(on.Branch)
		script.Fork = fmt.Sprintf("the survivor is %s on timeline %d, which began at %s", on.Name, b.Timeline, b.Fork)
	}
	for _, f := range lost {
		place := "at or past"
		if f.LSN != 0 {
			place = "at"
		}
		script.Attempts = append(script.Attempts, salvage.Attempt{
			Attempt: txn.Attempt{ID: f.ID}, Place: fmt.Sprintf("committed %s %s on timeline %d", place, cmp.Or(f.LSN, f.Min, pg.LSN(0)), f.Timeline),
		})
	}
	return script, s.plan(&script)
}

func (s *Source) script() salvage.Script {
	r := s.evidence.Record
	return salvage.Script{Run: run.RunName(r.Run), Seed: r.Seed, PayloadBytes: r.Mix.PayloadBytes}
}

// plan replays the ledgers for what the attempts were to do.
func (s *Source) plan(script *salvage.Script) error {
	at := make(map[txn.ID]*salvage.Attempt, len(script.Attempts))
	for i := range script.Attempts {
		at[script.Attempts[i].ID] = &script.Attempts[i]
	}
	r := s.evidence.Record
	planned := 0
	for _, w := range s.workers() {
		view := plan.New(r.Mix, r.Seed, r.Run, w)
		for e, err := range s.live.Entries(w) {
			if err != nil {
				return err
			}
			next := view.Next()
			if a, lost := at[next.ID]; lost {
				a.Ops = slices.Clone(next.Ops)
				planned++
			}
			view.Settle(e)
		}
	}
	if planned != len(script.Attempts) {
		return fmt.Errorf("salvage run %s: the ledger has %d of the %d lost attempts", script.Run, planned, len(script.Attempts))
	}
	return nil
}
