package slots

import (
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// survived is a question to which the answer is that the slot survived: a failover
// from timeline 1 at 0/1000, a consumer at 0/800.
func survived() Question {
	slot := func(confirmed pg.LSN) *pg.Slot {
		return &pg.Slot{Name: "s", Type: "logical", Plugin: "pgoutput", Database: "db", Restart: 0x100, Confirmed: confirmed, WalStatus: "reserved"}
	}
	return Question{
		Name: "s", Before: slot(0x800), Standby: slot(0x700), After: slot(0x800), Consumer: 0x800,
		Then:    Node{Name: "old", Role: "primary", System: 7, Timeline: 1, HasHistory: true, End: 0x1200, Started: 5},
		Now:     Node{Name: "new", Role: "primary", System: 7, Timeline: 2, HasHistory: true, History: pg.History{{Parent: 1, End: 0x1000}}, End: 0x2000, Started: 6},
		Decoded: Decoded{Attempt: Worked},
	}
}

func count(n int) *int { return &n }

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*Question)
		want     Verdict
		also     []Verdict
		from, to pg.LSN
	}{
		"survived":             {func(q *Question) {}, Survived, nil, 0, 0},
		"on the same timeline": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Now.Started = 1, nil, 5 }, Survived, nil, 0, 0},
		"on the same timeline, another process": {func(q *Question) { q.Now.Timeline, q.Now.History = 1, nil },
			NotChecked, nil, 0, 0},
		"on the same timeline, processes not seen": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Now.Started, q.Then.Started = 1, nil, 0, 0 },
			NotChecked, nil, 0, 0},
		"on the same timeline, the same log": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Same = 1, nil, 0x800 }, Survived, nil, 0, 0},
		"on the same timeline, the same log so far": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Same = 1, nil, 0x7FF },
			NotChecked, nil, 0, 0},
		"on the same timeline, the same log, consumer unknown": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Same, q.Consumer = 1, nil, 0x800, 0 },
			Survived, nil, 0, 0},
		"on the same timeline, another log, does not decode": {func(q *Question) {
			q.Now.Timeline, q.Now.History, q.Decoded = 1, nil, Decoded{Attempt: Refused}
		}, LostInvalidated, []Verdict{NotChecked}, 0, 0},
		"never there":            {func(q *Question) { q.Before = nil }, NotChecked, nil, 0, 0},
		"missing":                {func(q *Question) { q.After, q.Standby = nil, nil }, LostMissing, nil, 0, 0},
		"missing, was temporary": {func(q *Question) { q.After, q.Standby.Temporary = nil, true }, LostTemporary, nil, 0, 0},
		"missing, nobody writes": {func(q *Question) { q.After, q.Now.Role = nil, "standby" }, NotChecked, nil, 0, 0},
		"temporary":              {func(q *Question) { q.After.Temporary = true }, LostTemporary, nil, 0, 0},
		"lost":                   {func(q *Question) { q.After.WalStatus = "lost" }, LostInvalidated, nil, 0, 0},
		"invalidated, and its row looks well": {func(q *Question) { q.After.Invalidation, q.After.Conflicting = "wal_removed", false },
			LostInvalidated, nil, 0, 0},
		"does not decode": {func(q *Question) { q.Decoded = Decoded{Attempt: Refused} }, LostInvalidated, nil, 0, 0},
		"not decoded":     {func(q *Question) { q.Decoded = Decoded{} }, NotChecked, nil, 0, 0},
		"in use":          {func(q *Question) { q.Decoded = Decoded{Attempt: Failed} }, NotChecked, nil, 0, 0},
		"behind":          {func(q *Question) { q.After.Confirmed = 0x600 }, SurvivedRewound, nil, 0x600, 0x800},
		"behind, and nothing in between": {func(q *Question) { q.After.Confirmed, q.Decoded.Again = 0x600, count(0) },
			Survived, nil, 0, 0},
		"behind, counted": {func(q *Question) { q.After.Confirmed, q.Decoded.Again = 0x600, count(3) },
			SurvivedRewound, nil, 0x600, 0x800},
		"behind, not decoded":     {func(q *Question) { q.After.Confirmed, q.Decoded = 0x600, Decoded{} }, NotChecked, nil, 0, 0},
		"made again":              {func(q *Question) { q.After.Confirmed = 0x1800 }, GapRecreated, nil, 0x800, 0x1800},
		"made again, before fork": {func(q *Question) { q.After.Confirmed = 0x900 }, GapRecreated, nil, 0x800, 0x900},
		"made again, not decoded": {func(q *Question) { q.After.Confirmed, q.Decoded = 0x900, Decoded{} }, GapRecreated, []Verdict{NotChecked}, 0x800, 0x900},
		"another plugin":          {func(q *Question) { q.After.Plugin = "test_decoding" }, GapRecreated, []Verdict{Survived}, 0, 0},
		"two_phase was turned on": {func(q *Question) { q.After.TwoPhase = true }, Survived, nil, 0, 0},
		"without its two_phase":   {func(q *Question) { q.Before.TwoPhase = true }, GapRecreated, []Verdict{Survived}, 0, 0},
		"ahead":                   {func(q *Question) { q.Consumer, q.After.Confirmed = 0x1100, 0x1000 }, Ahead, []Verdict{Survived}, 0x1000, 0x1100},
		"ahead and behind": {func(q *Question) { q.Consumer, q.After.Confirmed = 0x1100, 0x900 },
			Ahead, []Verdict{SurvivedRewound}, 0x1000, 0x1100},
		"skipped": {func(q *Question) { q.Consumer, q.After.Confirmed = 0x1100, 0x1100 }, GapSkipped, []Verdict{Ahead}, 0x1000, 0x1100},
		"poisoned": {func(q *Question) { q.After.Confirmed = 0x3000 },
			GapPoisoned, []Verdict{GapRecreated}, 0x2000, 0x3000},
		"no history":     {func(q *Question) { q.Now.HasHistory = false }, NotChecked, nil, 0, 0},
		"another system": {func(q *Question) { q.Now.System = 8 }, NotChecked, nil, 0, 0},
		"no system":      {func(q *Question) { q.Now.System, q.Then.System = 0, 0 }, NotChecked, nil, 0, 0},
		"a twin of the timeline": {func(q *Question) {
			q.Then.Timeline, q.Then.History, q.Now.Started = 2, pg.History{{Parent: 1, End: 0xF00}}, q.Then.Started
		}, NotChecked, nil, 0, 0},
		"nobody's descendant": {func(q *Question) { q.Then.Timeline = 3 }, NotChecked, nil, 0, 0},
		"the descendant of a twin": {func(q *Question) {
			q.Then.Timeline, q.Then.History = 2, pg.History{{Parent: 1, End: 0xF00}}
			q.Now.Timeline, q.Now.History = 3, pg.History{{Parent: 1, End: 0xE00}, {Parent: 2, End: 0x1000}}
		}, NotChecked, nil, 0, 0},
		"the descendant of a timeline whose history is not known": {func(q *Question) {
			q.Then.Timeline, q.Then.HasHistory = 2, false
			q.Now.Timeline, q.Now.History = 3, pg.History{{Parent: 1, End: 0xE00}, {Parent: 2, End: 0x1000}}
		}, NotChecked, nil, 0, 0},
		"two steps": {func(q *Question) {
			q.Now.Timeline, q.Now.History = 3, pg.History{{Parent: 1, End: 0x1000}, {Parent: 2, End: 0x900}}
			q.Consumer, q.After.Confirmed = 0x980, 0x900
		}, Ahead, []Verdict{Survived}, 0x900, 0x980},
		"consumer unknown":               {func(q *Question) { q.Consumer = 0 }, Survived, nil, 0, 0},
		"consumer unknown, went on":      {func(q *Question) { q.Consumer, q.After.Confirmed = 0, 0x900 }, NotChecked, nil, 0, 0},
		"consumer unknown, went back":    {func(q *Question) { q.Consumer, q.After.Confirmed = 0, 0x700 }, SurvivedRewound, nil, 0x700, 0x800},
		"consumer unknown, ahead surely": {func(q *Question) { q.Consumer, q.Before.Confirmed, q.After.Confirmed = 0, 0x1100, 0x1000 }, Ahead, []Verdict{Survived}, 0x1000, 0x1100},
		"consumer unknown, ahead surely, went on": {func(q *Question) { q.Consumer, q.Before.Confirmed, q.After.Confirmed = 0, 0x1100, 0x1100 },
			Ahead, []Verdict{NotChecked}, 0x1000, 0x1100},
		"consumer unknown, poisoned before": {func(q *Question) {
			q.Consumer, q.Before.Confirmed, q.After.Confirmed, q.Then.End = 0, 0x2000, 0xF00, 0xF00
		},
			Survived, nil, 0, 0},
		"poisoned before, and the log came past that": {func(q *Question) { q.Before.Confirmed, q.After.Confirmed, q.Then.End = 0x1800, 0x1800, 0xF00 },
			GapPoisoned, []Verdict{GapRecreated}, 0xF00, 0x1800},
		"the log of one process ends too early": {func(q *Question) {
			q.Now.Timeline, q.Now.History, q.Now.Started, q.Now.End, q.After.Confirmed = 1, nil, 5, 0x700, 0x600
		}, Ahead, []Verdict{SurvivedRewound}, 0x700, 0x800},
		"the log went backwards": {func(q *Question) { q.Now.Timeline, q.Now.History, q.Now.End, q.After.Confirmed = 1, nil, 0x700, 0x600 },
			Ahead, []Verdict{NotChecked}, 0x700, 0x800},
		"physical": {func(q *Question) { q.Before.Type, q.After.Type = "physical", "physical" }, NotChecked, nil, 0, 0},
		"physical without WAL": {func(q *Question) { q.Before.Type, q.After.Type, q.After.Restart = "physical", "physical", 0 },
			LostInvalidated, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			q := survived()
			c.change(&q)
			d := Decide(q)
			if d.Verdict != c.want || !slices.Equal(d.Also, c.also) || d.From != c.from || d.To != c.to || d.Reason == "" || len(d.AlsoReasons) != len(d.Also) || slices.Contains(d.AlsoReasons, "") || d.Name != "s" {
				t.Errorf("%s (%s), also %v, from %s to %s; want %s, also %v, from %s to %s", d.Verdict, d.Reason, d.Also, d.From, d.To,
					c.want, c.also, c.from, c.to)
			}
		})
	}
}
