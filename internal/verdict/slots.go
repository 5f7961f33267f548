package verdict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/slots"
)

const (
	// slotFree is how long a walsender may take to see that capture has ended,
	// slotAgain lies between two looks.
	slotFree  = 10 * time.Second
	slotAgain = 200 * time.Millisecond
	// slotPatience bounds decoding from the slot.
	slotPatience = 30 * time.Second
)

// slotVerdict is what became of the run's slot: what the slot on the survivor
// shows, and what capture met while it followed the stream there.
type slotVerdict struct {
	name, node    string
	before, after *pg.Slot
	verdicts      []slots.Verdict
	why           map[slots.Verdict]string
}

func (s *slotVerdict) say(v slots.Verdict, why string) {
	if !slices.Contains(s.verdicts, v) {
		s.verdicts = append(s.verdicts, v)
		s.why[v] = why
	}
}

// ownSlot judges the run's slot after capture has ended; nil where the run had
// none, or no survivor is proven. Capture makes a slot that is gone, or that it
// cannot read, again under its name: the slot on the survivor is another one then,
// and what the gaps of the repo tell of the first is the verdict on it, with what was
// seen of it while the run went on.
func ownSlot(ctx context.Context, e *run.Evidence) (*slotVerdict, error) {
	if e.NoSurvivor != nil {
		return nil, nil
	}
	progresses, err := e.Repo.Progresses(ctx, e.Record.Run)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(progresses, func(p repo.Progress) bool { return p.Slot == e.Record.Slot && p.Start != 0 })
	if at < 0 {
		return nil, nil
	}
	gaps, err := e.Repo.Gaps(ctx, e.Record.Run)
	if err != nil {
		return nil, err
	}
	gaps = slices.DeleteFunc(gaps, func(g txn.Gap) bool { return g.Slot != e.Record.Slot })
	s := &slotVerdict{name: e.Record.Slot, node: e.Survivor().Name(), why: map[slots.Verdict]string{}}
	for _, g := range gaps {
		s.missed(g)
	}
	seen, err := e.Seen(ctx)
	if err != nil {
		return nil, err
	}
	s.saw(bearing(seen, s.name, s.node), gaps)
	s.look(ctx, e, progresses[at], gaps)
	return s, nil
}

// missed says what a gap tells of the slot that left it.
func (s *slotVerdict) missed(g txn.Gap) {
	gap := fmt.Sprintf("nothing was heard from %s to %s: %s", g.From, g.To, g.Reason)
	cause, remade := slots.GapRecreated, true
	switch {
	case g.Reason == txn.SlotMissing:
		cause = slots.LostMissing
	case g.Reason == txn.SlotPoisoned:
		cause = slots.GapPoisoned
	case g.Reason == txn.SlotAhead && g.From == 0:
		// The log went backwards to where nobody knows, maybe not past the slot.
		cause, remade = slots.NotChecked, false
		gap = fmt.Sprintf("it stands at %s of a log that went backwards, and how far is not known: it may have skipped something", g.To)
	case g.Reason == txn.SlotAhead:
		cause, remade = slots.GapSkipped, false
	case strings.HasPrefix(g.Reason, "slot "):
		cause = slots.LostInvalidated
	}
	s.say(cause, gap)
	if remade {
		s.say(slots.GapRecreated, gap)
	}
}

// look judges the slot that is on the survivor.
func (s *slotVerdict) look(ctx context.Context, e *run.Evidence, p repo.Progress, gaps []txn.Gap) {
	broken := len(s.verdicts) > 0
	judged, why := s.decide(ctx, e, p, gaps)
	s.before, s.after = judged.Before, judged.After
	if why != "" {
		s.say(slots.NotChecked, why)
		return
	}
	reasons := append([]string{judged.Reason}, judged.AlsoReasons...)
	for i, v := range append([]slots.Verdict{judged.Verdict}, judged.Also...) {
		switch {
		case v != slots.Survived && v != slots.SurvivedRewound:
			s.say(v, reasons[i])
		case broken:
			// The slot that is there is not the one that the run began with.
		case p.Duplicates > 0:
			s.say(slots.SurvivedRewound, fmt.Sprintf("the stream went on from it, %d transactions came again", p.Duplicates))
		default:
			s.say(v, reasons[i])
		}
	}
}

// decide asks the survivor for the slot, and decodes from it. The text says why
// nothing can be said of it.
func (s *slotVerdict) decide(ctx context.Context, e *run.Evidence, p repo.Progress, gaps []txn.Gap) (slots.Judged, string) {
	then, ok := e.Slot.Before.Primary()
	before, had := then.Slot(s.name)
	hosts := slots.Hosts(e.Survivor().Target)
	now := free(ctx, hosts, s.name)
	seen := slots.Judged{}
	if had {
		seen.Before = &before
	}
	if after, there := now.Slot(s.name); there {
		seen.After = &after
	}
	switch {
	case e.Slot.Dropped:
		return seen, "pgrpo dropped it when the run was judged before"
	case !ok || !had:
		return seen, unknown("how it was before the load is not known", e.Slot.Why)
	case now.Role != slots.RolePrimary:
		return seen, unknown("the survivor did not show it", now.Err)
	case now.Timeline != e.Survivor().Identity.Timeline:
		return seen, fmt.Sprintf("%s is on timeline %d, and was on %d when it was chosen", now.Name, now.Timeline, e.Survivor().Identity.Timeline)
	}
	consumer := consumed(e.Branches, p, gaps, e.Survivor().Branch)
	if consumer.there {
		// Capture went on here: its position is one of this log, whatever log the
		// slot came from.
		then = now
		then.Slots = []pg.Slot{before}
	} else if consumer.on.Timeline != then.Timeline || consumer.on.System != then.System {
		return seen, "where capture had come to is a position of another log"
	}
	all := slots.Check(ctx, slots.Snapshot{Nodes: []slots.Node{then}}, slots.Snapshot{Nodes: []slots.Node{now}},
		[]pg.Slot{before}, map[string]pg.LSN{s.name: consumer.end}, hosts, slotPatience)
	return all[0], ""
}

// free looks at the survivor until nobody reads from the slot any more.
func free(ctx context.Context, hosts []node.Target, name string) slots.Node {
	for until := time.Now().Add(slotFree); ; {
		now := slots.Survey(ctx, hosts).Nodes[0]
		if slot, there := now.Slot(name); !there || !slot.Active || time.Now().After(until) {
			return now
		}
		select {
		case <-ctx.Done():
			return now
		case <-time.After(slotAgain):
		}
	}
}

// consumption is how far the repo has all that a log holds for it.
type consumption struct {
	end pg.LSN
	// there says that this is the survivor's log; on is the branch.
	there bool
	on    pg.Branch
}

// consumed is where capture stood at its end, on the survivor's log if it came
// there. What a gap leaves out never comes.
func consumed(known pg.Branches, p repo.Progress, gaps []txn.Gap, survivor pg.BranchID) consumption {
	c := consumption{end: max(p.End, p.FollowedTo, p.Start)}
	branch := p.Branch
	for _, g := range gaps {
		switch {
		case g.Branch == survivor && branch != survivor:
			branch, c.end = survivor, g.To
		case g.Branch == branch:
			c.end = max(c.end, g.To)
		}
	}
	c.there = branch == survivor
	for _, b := range known {
		if b.ID == branch {
			c.on = b
		}
	}
	return c
}

func unknown(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// facts is what the judge is told of the slot. A slot whose consumer saw more than
// survived is kept: those transactions are counted by themselves.
func (s *slotVerdict) facts() compare.SlotFacts {
	if s == nil {
		return compare.SlotFacts{}
	}
	first, also := slots.Weigh(s.verdicts...)
	said := fmt.Sprintf("%s on %s is %s, %s", s.name, s.node, first, s.why[first])
	switch fate := SlotFate(first, also); fate {
	case compare.SlotBroken:
		return compare.SlotFacts{Fate: fate, Why: said}
	case compare.SlotUnproven:
		return compare.SlotFacts{Why: s.why[slots.NotChecked]}
	default:
		return compare.SlotFacts{Fate: fate}
	}
}

// SlotFate is what the verdicts on a slot mean for the promise of the stream.
func SlotFate(first slots.Verdict, also []slots.Verdict) compare.SlotFate {
	switch {
	case first > slots.Ahead:
		return compare.SlotBroken
	case first == slots.NotChecked || slices.Contains(also, slots.NotChecked):
		return compare.SlotUnproven
	default:
		return compare.SlotKept
	}
}

// rows is the report's section, after the judge has counted what only the stream
// has.
func (s *slotVerdict) rows(capturedLost int64) []report.Slot {
	if s == nil {
		return nil
	}
	all := s.verdicts
	if capturedLost > 0 {
		all = append(slices.Clone(all), slots.Ahead)
	}
	first, also := slots.Weigh(all...)
	row := report.Slot{Name: s.name, Node: s.node, Verdict: first.String(), Also: []string{}, Reason: s.why[first], Before: shown(s.before), After: shown(s.after)}
	if row.Reason == "" && first == slots.Ahead {
		row.Reason = fmt.Sprintf("its consumer has %d transactions that the survivor does not", capturedLost)
	}
	for _, v := range also {
		row.Also = append(row.Also, v.String())
	}
	return []report.Slot{row}
}

// shown is the slot's row with the columns of pg_replication_slots.
func shown(s *pg.Slot) map[string]any {
	if s == nil {
		return map[string]any{}
	}
	return map[string]any{
		"plugin": s.Plugin, "database": s.Database, "temporary": s.Temporary, "active": s.Active,
		"restart_lsn": known(s.Restart), "confirmed_flush_lsn": known(s.Confirmed), "wal_status": s.WalStatus,
		"invalidation_reason": s.Invalidation, "failover": s.Failover, "synced": s.Synced,
	}
}

// known is a position as a report shows it: null where there is none.
func known(at pg.LSN) *pg.LSN {
	if at == 0 {
		return nil
	}
	return &at
}
