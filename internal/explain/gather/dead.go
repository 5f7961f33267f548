package gather

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/wal"
)

// Dead reads the commits of the directory's WAL from the fork on, finds the attempts
// of the run among them, and sets them beside those that the last judgement called
// lost. A fork of 0 is the one that the run's branches tell.
func (s *Source) Dead(ctx context.Context, fork pg.LSN) (explain.Dead, error) {
	b, fork, err := s.left(fork)
	if err != nil {
		return explain.Dead{}, err
	}
	dead := explain.Dead{
		Directory: s.directory.Path, Branch: b.ID, Timeline: b.Timeline, Fork: fork,
		Attempts: []explain.DeadAttempt{}, OnlyReport: []explain.Name{}, OnlyWAL: []explain.Name{},
	}
	var commits []wal.Commit
	log, err := s.directory.log(b.Timeline, fork)
	if err != nil {
		return dead, trouble.Refuse("read the dead server's WAL: %w", err)
	}
	var end wal.End
	for c, err := range log.Commits(fork, &end) {
		if err != nil {
			return dead, err
		}
		commits = append(commits, c)
	}
	dead.End, dead.EndWhy, dead.Commits = end.At, end.Why, len(commits)
	if dead.Attempts, err = s.attempts(b.ID, commits); err != nil {
		return dead, err
	}
	dead.Others = len(commits) - len(dead.Attempts)
	return dead, s.compare(ctx, &dead)
}

// left finds the branch that the directory is of, and where the survivor left it.
func (s *Source) left(fork pg.LSN) (pg.Branch, pg.LSN, error) {
	var own pg.Branch
	var whys []error
	for _, b := range s.common.Branches {
		if why, ok := s.directory.holds(s.common.Branches, b); !ok {
			whys = append(whys, errors.New(why))
		} else if b.Timeline > own.Timeline {
			own = b
		}
	}
	on := s.common.Survivor.Branch
	switch {
	case own.ID == 0:
		return own, 0, trouble.Refuse("read the dead server's WAL: none of the run's branches is in %s: %w", s.directory.Path, errors.Join(whys...))
	case fork != 0:
		return own, fork, nil
	case on == 0:
		return own, 0, trouble.Refuse("read the dead server's WAL: where the survivor left it is not known (%s): name the survivor with --primary-pgdsn, or the position with --fork", s.common.Survivor.Why)
	case own.ID == on:
		return own, 0, trouble.Refuse("read the dead server's WAL: %s is on the survivor's own timeline %d: nothing in it lies past a fork", s.directory.Path, own.Timeline)
	}
	cut, relation := s.common.Branches.Cut(own.ID, on)
	if relation != pg.Ancestor {
		return own, 0, trouble.Refuse("read the dead server's WAL: no history tells where the survivor left timeline %d of %s: give the position with --fork", own.Timeline, s.directory.Path)
	}
	return own, cut, nil
}

// attempts finds whose commits these are: what the stream showed at the very
// position under the same transaction id, or else the one attempt of that branch
// that was given the id and whose interval the record lies in.
func (s *Source) attempts(on pg.BranchID, commits []wal.Commit) ([]explain.DeadAttempt, error) {
	byXid := make(map[pg.Xid]wal.Commit, len(commits))
	for _, c := range commits {
		byXid[c.Xid] = c
	}
	found := make(map[txn.ID]explain.DeadAttempt)
	for _, w := range s.workers() {
		for c, err := range s.live.Commits(w) {
			if err != nil {
				return nil, err
			}
			if at, there := byXid[c.Xid]; there && c.Branch == on && at.Start == c.LSN {
				a := deadAttempt(c.ID, at)
				a.Captured = true
				found[c.ID] = a
			}
		}
	}
	var given []txn.ID
	for at, err := range s.all() {
		if err != nil {
			return nil, err
		}
		if _, there := byXid[at.entry.Xid]; there && at.line.branch == on && at.entry.Conn != 0 {
			given = append(given, at.ID)
		}
	}
	bounds, err := s.bounds(given)
	if err != nil {
		return nil, err
	}
	taken := make(map[pg.Xid]bool)
	for _, a := range found {
		taken[a.Xid] = true
	}
	for _, id := range given {
		b := bounds[id]
		a, shown := found[id]
		if !shown {
			at := byXid[b.entry.Xid]
			if taken[at.Xid] || b.min == 0 || at.Start < b.min || b.max != 0 && at.End > b.max {
				continue
			}
			a, taken[at.Xid] = deadAttempt(id, at), true
		}
		a.Outcome = b.entry.Outcome.String()
		found[id] = a
	}
	all := make([]explain.DeadAttempt, 0, len(found))
	for _, a := range found {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b explain.DeadAttempt) int { return cmp.Compare(a.LSN, b.LSN) })
	return all, nil
}

func deadAttempt(id txn.ID, c wal.Commit) explain.DeadAttempt {
	return explain.DeadAttempt{
		Name: explain.Name{Worker: id.Worker, Seq: id.Seq}, Outcome: "no_entry",
		LSN: c.Start, End: c.End, Xid: c.Xid, At: explain.Stamp(c.At),
	}
}

// compare sets the attempts beside what the last judgement called lost.
func (s *Source) compare(ctx context.Context, dead *explain.Dead) error {
	number := s.evidence.Record.Run
	_, err := s.evidence.Repo.Report(ctx, number)
	if errors.Is(err, repo.ErrNoReport) {
		return nil
	}
	if err != nil {
		return err
	}
	dead.Judged = true
	inWAL := make(map[explain.Name]bool)
	for _, a := range dead.Attempts {
		if explain.IsAck(a.Outcome) {
			inWAL[a.Name] = true
		}
	}
	lost, err := s.lost(ctx)
	if err != nil {
		return err
	}
	for _, f := range lost {
		name := explain.Name{Worker: f.Worker, Seq: f.Seq}
		switch {
		case inWAL[name]:
			delete(inWAL, name)
		case f.Branch != 0 && f.Branch != dead.Branch:
			dead.Elsewhere++
		default:
			dead.OnlyReport = append(dead.OnlyReport, name)
		}
	}
	for name := range inWAL {
		dead.OnlyWAL = append(dead.OnlyWAL, name)
	}
	slices.SortFunc(dead.OnlyWAL, func(a, b explain.Name) int {
		return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Seq, b.Seq))
	})
	return nil
}

// lost are the attempts that the last judgement called lost.
func (s *Source) lost(ctx context.Context) ([]compare.Finding, error) {
	var all []compare.Finding
	for f, err := range s.evidence.Repo.Findings(ctx, s.evidence.Record.Run) {
		if err != nil {
			return nil, err
		}
		if f.Class != compare.LostTransaction.String() && f.Class != compare.LostUnreplicated.String() {
			continue
		}
		body, err := bodyOf(f)
		if err != nil {
			return nil, err
		}
		all = append(all, body)
	}
	return all, nil
}
