package slots

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Attempt is what became of reading from a slot.
type Attempt uint8

// The attempts. The zero value says that nobody tried.
const (
	NotTried Attempt = iota
	// Worked means that the server decoded from the slot.
	Worked
	// Refused means that the server said that it can no longer do so.
	Refused
	// Failed means that it could not be tried: somebody reads from the slot,
	// a right is missing, the time was over.
	Failed
)

// Decoded is what reading from a slot showed, without moving it.
type Decoded struct {
	Attempt Attempt
	// Why says what stood against it.
	Why string
	// Again is how many transactions come that the consumer already has; nil if
	// they were not counted.
	Again *int
}

// Question is all that is known of one slot across a switchover.
type Question struct {
	Name string
	// Before is the slot on the old primary, and Then that server; nil if it was
	// not there.
	Before *pg.Slot
	Then   Node
	// Standby is the slot on the survivor while that was a standby; nil if it was
	// not there, or the survivor was not looked at.
	Standby *pg.Slot
	// After is the slot on the survivor, and Now the survivor.
	After *pg.Slot
	Now   Node
	// Consumer is the end of the last transaction that the consumer has durably,
	// on the old primary's log; 0 unknown. What a consumer confirmed on the survivor
	// since cannot be told from a gap.
	Consumer pg.LSN
	// Same is how far the survivor was seen to have the log of Then. It is asked for
	// only where the timeline is the same and the server's process may be another: 0
	// is then not seen, for the reason Unlike.
	Same    pg.LSN
	Unlike  string
	Decoded Decoded
}

// Decision is the verdict on one slot.
type Decision struct {
	Name    string
	Verdict Verdict
	// Also are the other verdicts that hold, the weightiest first.
	Also []Verdict
	// Reason says why the verdict holds, AlsoReasons why each of the others does.
	Reason      string
	AlsoReasons []string
	// From and To bound what the consumer does not get, or gets again, on the
	// survivor's log; both 0 where there is no such stretch.
	From, To pg.LSN
	// Again bounds what comes again, also where another verdict outweighs that,
	// and Times is how many transactions that is; nil if they were not counted.
	Again Stretch
	Times *int
}

// Stretch is a part of a log; both ends are 0 where there is none.
type Stretch struct{ From, To pg.LSN }

// Decide judges a slot. It is pure; what was not seen leaves the slot not checked.
//
// A row in pg_replication_slots proves nothing by itself: the slot survived only if
// the server decoded from it. A confirmed_flush_lsn that moved on is progress only
// up to where the consumer is known to be; past that it is a gap, and where the
// consumer's position is not known, nothing is said.
func Decide(q Question) Decision {
	d := decider{q: q}
	d.decide()
	first, also := Weigh(d.verdicts...)
	decision := Decision{Name: q.Name, Verdict: first, Also: also, Reason: d.why[first], From: d.from[first], To: d.to[first],
		Again: d.again(), Times: q.Decoded.Again}
	for _, v := range also {
		decision.AlsoReasons = append(decision.AlsoReasons, d.why[v])
	}
	return decision
}

type decider struct {
	q        Question
	verdicts []Verdict
	why      map[Verdict]string
	from, to map[Verdict]pg.LSN
}

func (d *decider) say(v Verdict, format string, args ...any) {
	if d.why == nil {
		d.why, d.from, d.to = map[Verdict]string{}, map[Verdict]pg.LSN{}, map[Verdict]pg.LSN{}
	}
	if _, said := d.why[v]; !said {
		d.verdicts = append(d.verdicts, v)
		d.why[v] = fmt.Sprintf(format, args...)
	}
}

func (d *decider) bound(v Verdict, from, to pg.LSN) { d.from[v], d.to[v] = from, to }

// again is what the slot sends a second time, if it still is among the verdicts.
func (d *decider) again() Stretch {
	if !slices.Contains(d.verdicts, SurvivedRewound) {
		return Stretch{}
	}
	return Stretch{d.from[SurvivedRewound], d.to[SurvivedRewound]}
}

func (d *decider) decide() {
	q := d.q
	if q.Before == nil {
		d.say(NotChecked, "it was not there before")
		return
	}
	if q.After == nil {
		d.missing()
		return
	}
	s := *q.After
	if reason, lost := s.Lost(); lost {
		d.say(LostInvalidated, "%s gave it up: %s", q.Now.Name, reason)
		return
	}
	if s.Temporary {
		d.say(LostTemporary, "on %s it is temporary, and ends with its session", q.Now.Name)
		return
	}
	// A subscription turns two_phase on when its tables are there.
	if s.Plugin != q.Before.Plugin || s.Database != q.Before.Database || s.Type != q.Before.Type || q.Before.TwoPhase && !s.TwoPhase {
		d.say(GapRecreated, "it is another slot of the same name: %s in %s, and was %s in %s", kind(s), s.Database, kind(*q.Before), q.Before.Database)
	}
	if !s.Logical() {
		d.physical()
		return
	}
	if q.Then.End != 0 && q.Before.Confirmed > q.Then.End && s.Confirmed >= q.Before.Confirmed {
		d.say(GapPoisoned, "it was confirmed up to %s when the log ended at %s, and still is: what was written from there on never comes", q.Before.Confirmed, q.Then.End)
		d.bound(GapPoisoned, q.Then.End, s.Confirmed)
	} else if q.Now.End != 0 && s.Confirmed > q.Now.End {
		d.say(GapPoisoned, "it is confirmed up to %s, past the end of the log at %s: what is written up to there never comes", s.Confirmed, q.Now.End)
		d.bound(GapPoisoned, q.Now.End, s.Confirmed)
	}
	fork, known := forkOf(q.Then, q.Now)
	if !known {
		d.say(NotChecked, "where the log of %s left that of %s is not known%s", q.Now.Name, q.Then.Name, hidden(q.Then, q.Now))
		return
	}
	if consumer, _ := d.consumer(); restarted(q.Then, q.Now) && consumer > q.Same {
		d.otherLog(consumer)
	} else {
		d.positions(s, fork)
	}
	d.decoding()
}

// otherLog says that the position of the consumer may be one of another log than
// that of the survivor, though the timeline is the same.
func (d *decider) otherLog(consumer pg.LSN) {
	q := d.q
	if q.Now.End != 0 && consumer > q.Now.End {
		d.say(Ahead, "its consumer has transactions up to %s, and the log of %s ends at %s", consumer, q.Now.Name, q.Now.End)
		d.bound(Ahead, q.Now.End, consumer)
	}
	if q.Same == 0 {
		d.say(NotChecked, "%s is on the timeline that %s was on, as another process, and was not seen to have the same log: %s", q.Now.Name, q.Then.Name, q.Unlike)
		return
	}
	d.say(NotChecked, "%s was started again since the snapshot, and its log is seen to be the same up to %s only; its consumer has all up to %s", q.Now.Name, q.Same, consumer)
}

// consumer is the end of what the consumer has, and whether that was told. What was
// confirmed is durable at the consumer: it has that much at least, of what was there.
func (d *decider) consumer() (at pg.LSN, told bool) {
	q := d.q
	if q.Consumer != 0 {
		return q.Consumer, true
	}
	if q.Then.End != 0 {
		return min(q.Before.Confirmed, q.Then.End), false
	}
	return q.Before.Confirmed, false
}

func kind(s pg.Slot) string {
	if !s.Logical() {
		return "physical"
	}
	if s.TwoPhase {
		return s.Plugin + " with two_phase"
	}
	return s.Plugin
}

// missing tells the two ways for a slot not to be there apart.
func (d *decider) missing() {
	q := d.q
	switch {
	case q.Before.Temporary || q.Standby != nil && q.Standby.Temporary:
		d.say(LostTemporary, "it was temporary, and is gone from %s", q.Now.Name)
	case q.Now.Role != "primary":
		d.say(NotChecked, "no server that takes writes was seen")
	default:
		d.say(LostMissing, "it is not on %s", q.Now.Name)
	}
}

// physical judges a slot that nobody decodes from.
func (d *decider) physical() {
	if d.q.After.Restart == 0 {
		d.say(LostInvalidated, "%s keeps no WAL for it", d.q.Now.Name)
		return
	}
	d.say(NotChecked, "a physical slot keeps WAL from %s on; whether its standby needs more is not looked at", d.q.After.Restart)
}

// hidden is what the role could not see, for the end of a sentence.
func hidden(nodes ...Node) string {
	text := ""
	for _, n := range nodes {
		for _, what := range n.Unseen {
			text += "; not seen on " + n.Name + ": " + what
		}
	}
	return text
}

// positions judges how far the slot is confirmed against how far the consumer is.
// All of the consumer's that lies past the fork, or past the end of a log that
// went backwards, is not on the survivor's log.
func (d *decider) positions(s pg.Slot, fork pg.LSN) {
	q := d.q
	shares := fork
	if q.Now.End != 0 {
		shares = min(shares, q.Now.End)
	}
	consumer, told := d.consumer()
	shared := min(consumer, shares)
	if consumer > shares {
		d.say(Ahead, "its consumer has transactions up to %s, and %s shares the log up to %s only", consumer, q.Now.Name, shares)
		d.bound(Ahead, shares, consumer)
	}
	if !told {
		d.assumed(s, shared)
		return
	}
	switch {
	case s.Confirmed > shared && s.Confirmed <= consumer:
		d.say(GapSkipped, "it is confirmed up to %s by a position of another timeline: what %s committed from %s up to there never comes", s.Confirmed, q.Now.Name, shared)
		d.bound(GapSkipped, shared, s.Confirmed)
	case s.Confirmed > shared:
		d.say(GapRecreated, "it begins at %s, and its consumer has all up to %s only", s.Confirmed, shared)
		d.bound(GapRecreated, shared, s.Confirmed)
	case s.Confirmed < shared:
		d.say(SurvivedRewound, "it stands at %s, and its consumer has all up to %s", s.Confirmed, shared)
		d.bound(SurvivedRewound, s.Confirmed, shared)
	default:
		d.say(Survived, "it stands at %s, where its consumer is", s.Confirmed)
	}
}

// assumed judges against the least that the consumer has.
func (d *decider) assumed(s pg.Slot, least pg.LSN) {
	switch {
	case s.Confirmed > least:
		d.say(NotChecked, "it went on from %s to %s, and how far its consumer came is not known: name that with --consumer-lsn", least, s.Confirmed)
	case s.Confirmed < least:
		d.say(SurvivedRewound, "it stands at %s, and was confirmed up to %s", s.Confirmed, least)
		d.bound(SurvivedRewound, s.Confirmed, least)
	default:
		d.say(Survived, "it stands at %s, where it was before; whether its consumer has more was not told", s.Confirmed)
	}
}

// decoding takes back what a row alone seemed to say.
func (d *decider) decoding() {
	switch d.q.Decoded.Attempt {
	case Worked:
		switch n := d.q.Decoded.Again; {
		case n == nil:
		case *n == 0 && d.why[SurvivedRewound] != "":
			d.takeBack()
			d.say(Survived, "it stands at %s, and nothing that its consumer has comes again", d.q.After.Confirmed)
		case d.why[SurvivedRewound] != "":
			d.why[SurvivedRewound] += fmt.Sprintf(": %d transactions come again", *n)
		}
	case Refused:
		d.takeBack()
		d.say(LostInvalidated, "%s does not decode from it: %s", d.q.Now.Name, d.q.Decoded.Why)
	case Failed:
		d.takeBack()
		d.say(NotChecked, "it is there, and could not be decoded from: %s", d.q.Decoded.Why)
	default:
		d.takeBack()
		d.say(NotChecked, "it was looked at, not decoded from")
	}
}

// takeBack forgets that the slot seemed to survive.
func (d *decider) takeBack() {
	d.verdicts = slices.DeleteFunc(d.verdicts, func(v Verdict) bool { return v == Survived || v == SurvivedRewound })
}
