package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// sentence sums the life up.
func (f Facts) sentence() string {
	parts := []string{fmt.Sprintf("Worker %d seq %d %s", f.Worker, f.Seq, f.promise())}
	if where := f.place(); where != "" {
		parts = append(parts, where)
	}
	return strings.Join(parts, ", ") + ": " + f.fate() + "; " + f.shown() + "."
}

// promise says what the client was told.
func (f Facts) promise() string {
	by := "a server that is not recorded"
	if s := f.Server; s != nil {
		by = s.Address
		if s.Timeline != 0 {
			by += fmt.Sprintf(" on timeline %d", s.Timeline)
		}
	}
	ended := clock(f.Started.Add(f.Entry.End()).UnixNano())
	switch f.Account {
	case compare.Acked:
		return fmt.Sprintf("was acknowledged by %s at %s", by, ended)
	case compare.AckedUnreplicated:
		return fmt.Sprintf("was acknowledged by %s at %s with the warning that no standby had confirmed it", by, ended)
	case compare.Failed:
		if f.Entry.Phase == txn.NotSent {
			return "was never sent"
		}
		return fmt.Sprintf("was refused by %s at %s%s", by, ended, state(f.Entry.State))
	case compare.InDoubt:
		return fmt.Sprintf("was sent to %s at %s and is in doubt, since no answer told its end", by, clock(f.Started.Add(f.Entry.Sent).UnixNano()))
	default:
		return "has no entry in the ledger, whose end is missing"
	}
}

func state(s txn.SQLState) string {
	if s == (txn.SQLState{}) {
		return ""
	}
	return " with SQLSTATE " + s.String()
}

// place says where its commit record lies to the survivor.
func (f Facts) place() string {
	records := f.records()
	if len(records) == 0 {
		return ""
	}
	r := records[0]
	where := fmt.Sprintf("its commit record at %s", r.LSN)
	if !r.Exact {
		where = fmt.Sprintf("its commit record, which starts at or past %s,", r.LSN)
		if r.End != nil {
			where = fmt.Sprintf("its commit record, between %s and %s,", r.LSN, r.End)
		}
		if f.Account == compare.InDoubt {
			where += " if there is one,"
		}
	}
	i := slices.IndexFunc(r.Forks, func(k Fork) bool { return k.Survivor })
	if i < 0 && f.Survivor.Branch == 0 && len(r.Forks) == 1 {
		i = 0
	}
	switch {
	case len(records) > 1:
		return fmt.Sprintf("it was seen at %d positions", len(records))
	case i < 0 && r.Branch == f.Survivor.Branch && r.Exact:
		return fmt.Sprintf("%s is on the survivor's own timeline %d", where, r.Timeline)
	case i < 0 && r.Branch == f.Survivor.Branch:
		return fmt.Sprintf("%s lies on the survivor's own timeline %d", where, r.Timeline)
	case i < 0 || r.Forks[i].LSN == nil && r.Forks[i].Side == Unclear:
		return where + " lies where no history tells whether it was kept"
	}
	k := r.Forks[i]
	fork := "the fork"
	if k.LSN != nil {
		fork += " " + k.LSN.String()
	}
	fork += fmt.Sprintf(" to timeline %d", k.Timeline)
	switch {
	case k.Side == Unclear:
		return where + " may lie before or past " + fork
	case k.Bytes == nil:
		return fmt.Sprintf("%s lies %s %s", where, k.Side, fork)
	case !r.Exact:
		return fmt.Sprintf("%s lies at least %s %s %s", where, pg.Bytes(*k.Bytes).String(), k.Side, fork)
	default:
		return fmt.Sprintf("%s lies %s %s %s", where, pg.Bytes(*k.Bytes).String(), k.Side, fork)
	}
}

// fate says what became of it, by the survivor's own word or else by the log's.
func (f Facts) fate() string {
	n, asked := f.onSurvivor()
	if !asked {
		return f.fateUnasked()
	}
	switch compare.FateOf(f.Account, n.Marker) {
	case compare.Kept:
		if f.calledLost() {
			return "the last judgement found it lost, and it is on " + n.Name + " again"
		}
		return "it is kept on " + n.Name
	case compare.TurnedOutCommitted:
		return "it turned out committed, and is on " + n.Name
	case compare.TurnedOutRolledBack:
		return "it turned out rolled back, " + n.Name + " does not have it"
	case compare.Lost, compare.LostWarned:
		return "it was lost with the old primary, " + n.Name + " does not have it"
	case compare.Phantom:
		return "it is on " + n.Name + " all the same"
	case compare.AccountLost:
		return n.Name + " does not have it, and nobody knows what the client was told"
	default:
		return "as promised, " + n.Name + " does not have it"
	}
}

// fateUnasked says what is to be thought where no survivor could be asked.
func (f Facts) fateUnasked() string {
	if f.calledLost() {
		return "the last judgement found it lost, and no survivor could be asked now"
	}
	if f.Account == compare.Failed {
		return "no survivor could be asked whether it is absent, as promised"
	}
	records := f.records()
	if len(records) == 1 && f.Survivor.Branch != 0 {
		r := records[0]
		at := pg.Position{Branch: r.Branch, LSN: r.LSN}
		survives, told := f.Branches.Survives(at, f.Survivor.Branch)
		switch {
		case told && !survives && r.Exact:
			return "by the log it was lost, and no survivor could be asked"
		case told && !survives && f.Account != compare.InDoubt:
			return "by the client's interval it was lost, and no survivor could be asked"
		case told && survives && r.Exact:
			return "by the log it was kept, and no survivor could be asked"
		}
	}
	return "whether it was kept is not known, since no survivor could be asked"
}

// calledLost tells whether the last judgement found it lost.
func (f Facts) calledLost() bool {
	return slices.ContainsFunc(f.Findings, func(found Finding) bool {
		return found.Class == compare.LostTransaction.String() || found.Class == compare.LostUnreplicated.String()
	})
}

// shown says what the consumers of the stream saw.
func (f Facts) shown() string {
	if len(f.Commits) > 0 {
		return "consumers of the stream saw it"
	}
	if !f.Capture.Heard {
		return "whether the stream showed it is not known"
	}
	return "the stream did not show it to pgrpo"
}
