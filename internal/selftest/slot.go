package selftest

import (
	"fmt"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/verdict"
	"github.com/pgrpo/pgrpo/slots"
)

// slotPlot is something that can become of the run's slot, with the verdict that
// it must have and what that means for the promise of the stream.
type slotPlot struct {
	name string
	want slots.Verdict
	fate compare.SlotFate
	// alter makes it of a slot that survived; false where the run has no place for
	// it. Up to shares the survivor's log is that which the slot was on.
	alter func(q *slots.Question, shares pg.LSN) bool
}

func slotPlots() []slotPlot {
	always := func(alter func(q *slots.Question)) func(*slots.Question, pg.LSN) bool {
		return func(q *slots.Question, _ pg.LSN) bool { alter(q); return true }
	}
	return []slotPlot{
		{"slot that stands where its consumer is", slots.Survived, compare.SlotKept, always(func(*slots.Question) {})},
		{"slot set back", slots.SurvivedRewound, compare.SlotKept, always(func(q *slots.Question) { q.After.Confirmed -= 0x40 })},
		{"slot whose consumer saw what was lost", slots.Ahead, compare.SlotKept, func(q *slots.Question, shares pg.LSN) bool {
			q.Consumer, q.After.Confirmed = shares+0x80, shares
			return true
		}},
		{"slot confirmed by a position of the lost log", slots.GapSkipped, compare.SlotBroken, func(q *slots.Question, shares pg.LSN) bool {
			q.Consumer, q.After.Confirmed = shares+0x80, shares+0x40
			return q.After.Confirmed <= q.Now.End
		}},
		{"slot made again further on", slots.GapRecreated, compare.SlotBroken, always(func(q *slots.Question) { q.After.Confirmed += 0x40 })},
		{"another slot of the same name", slots.GapRecreated, compare.SlotBroken, always(func(q *slots.Question) { q.After.Plugin = "test_decoding" })},
		{"slot confirmed past the end of the log", slots.GapPoisoned, compare.SlotBroken, always(func(q *slots.Question) { q.After.Confirmed = q.Now.End + 1 })},
		{"temporary slot", slots.LostTemporary, compare.SlotBroken, always(func(q *slots.Question) { q.After.Temporary = true })},
		{"slot that was given up", slots.LostInvalidated, compare.SlotBroken, always(func(q *slots.Question) { q.After.WalStatus = "lost" })},
		{"slot that no longer decodes", slots.LostInvalidated, compare.SlotBroken, always(func(q *slots.Question) {
			q.Decoded = slots.Decoded{Attempt: slots.Refused, Why: "planted"}
		})},
		{"slot that is gone", slots.LostMissing, compare.SlotBroken, always(func(q *slots.Question) { q.After = nil })},
		{"slot that nobody decoded from", slots.NotChecked, compare.SlotUnproven, always(func(q *slots.Question) { q.Decoded = slots.Decoded{} })},
		{"slot on a log that may be another", slots.NotChecked, compare.SlotUnproven, func(q *slots.Question, _ pg.LSN) bool {
			q.Then.Started, q.Unlike = q.Now.Started+1, "planted"
			return q.Then.Timeline == q.Now.Timeline
		}},
		{"slot on a log that was seen to be the same", slots.Survived, compare.SlotKept, func(q *slots.Question, _ pg.LSN) bool {
			q.Then.Started, q.Same = q.Now.Started+1, q.Consumer
			return q.Then.Timeline == q.Now.Timeline
		}},
		{"slot on a log of unknown history", slots.NotChecked, compare.SlotUnproven, always(func(q *slots.Question) { q.Now.HasHistory = false })},
	}
}

// slotTally counts the verdicts on slots that were planted, and how they were
// decided.
type slotTally struct{ planted, found, extra map[slots.Verdict]int }

func newSlotTally() slotTally {
	return slotTally{map[slots.Verdict]int{}, map[slots.Verdict]int{}, map[slots.Verdict]int{}}
}

// lines are those of the report, one for each verdict.
func (s slotTally) lines() []ClassLine {
	var all []ClassLine
	for v := slots.NotChecked; v <= slots.LostMissing; v++ {
		all = append(all, ClassLine{
			Class: "slot_" + v.String(), Planted: s.planted[v], Found: s.found[v], Missed: s.planted[v] - s.found[v], Extra: s.extra[v],
		})
	}
	return all
}

// slotPlanters plant what can become of the run's slot, have it decided, and ask of
// the run that the slot survived.
func (t *Trial) slotPlanters(tally slotTally) []*plant.Planter {
	var all []*plant.Planter
	for _, s := range slotPlots() {
		all = append(all, plant.Custom(s.name, func(p *plant.Plot) bool {
			q, shares := slotQuestion(t.Base.Facts)
			if !s.alter(&q, shares) {
				return false
			}
			d := slots.Decide(q)
			fate := verdict.SlotFate(d.Verdict, d.Also)
			if !p.Slot(compare.SlotFacts{Fate: fate, Why: d.Reason}) {
				return false
			}
			tally.planted[s.want]++
			if d.Verdict == s.want {
				tally.found[s.want]++
			} else {
				tally.extra[d.Verdict]++
			}
			if d.Verdict != s.want || fate != s.fate {
				p.Fault(fmt.Sprintf("the slot is %s (%s) and for the stream %d, and had to be %s and %d", d.Verdict, d.Reason, fate, s.want, s.fate))
			}
			return true
		}))
	}
	return all
}

// slotQuestion is what would be known of a slot that went on, on the survivor's log
// and on the one that it left, as the run met them.
func slotQuestion(f compare.Facts) (q slots.Question, shares pg.LSN) {
	b, _ := f.Branches.Of(f.Survivor.Branch)
	end := f.Capture.Followed.LSN + 0x1000
	q.Now = slots.Node{Name: "planted", Role: slots.RolePrimary, System: b.System, Started: 1, Timeline: b.Timeline, HasHistory: true, History: b.History, End: end}
	q.Then, shares = q.Now, end
	if parent, there := f.Branches.Of(b.Parent); there && !b.Unclear {
		q.Then.Timeline, q.Then.History, q.Then.End = parent.Timeline, parent.History, b.Fork+0x100
		shares = b.Fork
		q.Now.End = max(end, b.Fork+0x1000)
	}
	q.Name, q.Consumer = "planted", shares-0x100
	slot := pg.Slot{
		Name: q.Name, Type: "logical", Plugin: "pgoutput", Database: "postgres",
		Restart: shares - 0x200, Confirmed: q.Consumer, WalStatus: "reserved",
	}
	after := slot
	q.Before, q.After, q.Decoded = &slot, &after, slots.Decoded{Attempt: slots.Worked}
	return q, shares
}
