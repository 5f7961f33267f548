package slots

import (
	"fmt"
	"regexp"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Between says what changed from one look at a node to the next. Both must have
// shown it. It is pure. Consumers are the positions up to which the consumers of
// slots have all durably, where they are known, as of the later look or after it.
//
// Plain progress is no change: of a slot that somebody read from, or up to where its
// consumer is known to be. The server does not tell a slot from another of the same
// name: that it was made again shows where its row went a way that no row goes, or
// where what was decoded from it is counted anew.
func Between(before, now Node, consumers map[string]pg.LSN) []Change {
	d := differ{before: before, now: now, consumers: consumers}
	d.node()
	for _, s := range now.Slots {
		if b, there := before.Slot(s.Name); there {
			d.slot(b, s)
		} else {
			d.say(nil, &s, Appeared, Note, "it is there: %s", described(s))
			d.state(nil, s)
		}
	}
	for _, b := range before.Slots {
		if _, there := now.Slot(b.Name); !there {
			d.vanished(b)
		}
	}
	return d.all
}

// First says what the first look at a node shows.
func First(now Node) []Change {
	d := differ{now: now}
	text := fmt.Sprintf("%s, PostgreSQL %d, timeline %s, %d slots", now.Role, now.Version/10000, orUnknown(now.Timeline), len(now.Slots))
	for _, what := range now.Unseen {
		text += "; not seen: " + what
	}
	d.say(nil, nil, Watching, Note, "%s", text)
	for _, s := range now.Slots {
		d.state(nil, s)
	}
	return d.all
}

func orUnknown(t pg.Timeline) string {
	if t == 0 {
		return "(unknown)"
	}
	return fmt.Sprint(t)
}

func described(s pg.Slot) string {
	text := kind(s)
	if s.Logical() {
		text += " in " + s.Database
	}
	switch {
	case s.Confirmed != 0:
		text += fmt.Sprintf(", confirmed up to %s", s.Confirmed)
	case s.Logical():
		text += ", not consistent yet"
	}
	if s.Temporary {
		text += ", temporary"
	}
	return text
}

// differ collects the changes of one node.
type differ struct {
	before, now Node
	consumers   map[string]pg.LSN
	all         []Change
}

// say adds a change; without a slot it is one of the node.
func (d *differ) say(before, after *pg.Slot, k Kind, w Weight, format string, args ...any) {
	c := Change{Node: d.now.Name, Role: d.now.Role, Kind: k, Weight: w, Text: fmt.Sprintf(format, args...),
		Timeline: d.now.Timeline, End: d.now.End, Before: before, After: after}
	switch {
	case after != nil:
		c.Slot = after.Name
	case before != nil:
		c.Slot = before.Name
	}
	d.all = append(d.all, c)
}

// forgot says that the server began anew, as a whole or, after a crash, in all
// its processes: it has no slot further than it was last saved, and no statistics.
func (d *differ) forgot() bool {
	return d.before.Started != d.now.Started || d.before.StatsReset != d.now.StatsReset
}

// demoted says that the node took writes, and takes none any more.
func (d *differ) demoted() bool { return d.before.Role == RolePrimary && d.now.Role == RoleStandby }

// promoted says that the node took none, and takes writes now.
func (d *differ) promoted() bool { return d.before.Role == RoleStandby && d.now.Role == RolePrimary }

func (d *differ) node() {
	b, n := d.before, d.now
	if b.Started != n.Started {
		d.say(nil, nil, Restarted, Note, "another server process answers")
	}
	on := fmt.Sprintf("on timeline %s, and was on %s", orUnknown(n.Timeline), orUnknown(b.Timeline))
	switch {
	case d.promoted():
		d.say(nil, nil, Promoted, Note, "it takes writes now, %s", on)
	case d.demoted():
		d.say(nil, nil, Demoted, Note, "it is a standby now, %s", on)
	case b.Timeline != n.Timeline && b.Timeline != 0 && n.Timeline != 0:
		d.say(nil, nil, Moved, Note, "it is %s", on)
	}
}

// harm is the weight of what makes a slot useless. A server that became a standby
// has slots that nobody needs any more.
func (d *differ) harm(b pg.Slot) Weight {
	if d.demoted() || !promises(b) {
		return Note
	}
	return Bad
}

// tableSync matches the slots that a subscription makes to copy a table, and drops
// when that is done (PostgreSQL's tablesync.c, ReplicationSlotNameForTablesync).
var tableSync = regexp.MustCompile(`^pg_\d+_sync_\d+_\d+$`)

// promises tells whether a slot is there for good: a temporary one ends with its
// session, one that was never consistent is still being made, and one that a table is
// copied with goes with that.
func promises(s pg.Slot) bool {
	return !s.Temporary && (s.Confirmed != 0 || !s.Logical()) && !tableSync.MatchString(s.Name)
}

func (d *differ) vanished(b pg.Slot) {
	if b.Temporary && d.promoted() {
		d.say(&b, nil, Vanished, Bad, "it was still temporary when %s was promoted, and went with that", d.now.Name)
		return
	}
	d.say(&b, nil, Vanished, d.harm(b), "it is gone; it was %s", described(b))
}

// slot compares two rows of one name.
func (d *differ) slot(b, s pg.Slot) {
	if why := d.remade(b, s); why != "" {
		d.say(&b, &s, Remade, d.harm(b), "it was dropped and made again, now %s: %s", described(s), why)
		d.state(nil, s)
		return
	}
	d.state(&b, s)
	if s.Logical() {
		d.position(b, s)
	}
	if s.WalStatus != b.WalStatus && s.WalStatus != "" && s.WalStatus != "lost" {
		text := ""
		if s.WalStatus == "unreserved" {
			text = ": it is given up at the next checkpoint, unless its consumer goes on"
		}
		d.say(&b, &s, WALStatus, Note, "its WAL is %s, and was %s%s", s.WalStatus, orNothing(b.WalStatus), text)
	}
	if b.Temporary && !s.Temporary {
		d.say(&b, &s, Persistent, Note, "it was temporary, and stays now")
	}
	d.flag(b, s, FailoverSet, b.Failover, s.Failover)
	d.flag(b, s, SyncedSet, b.Synced, s.Synced)
	d.flag(b, s, TwoPhaseSet, b.TwoPhase, s.TwoPhase)
	switch {
	case !s.Active && b.Active:
		d.say(&b, &s, Inactive, Note, "nobody reads from it any more")
	case s.Active && !b.Active:
		d.say(&b, &s, Active, Note, "process %d reads from it", s.ActivePid)
	case s.Active && s.ActivePid != b.ActivePid:
		d.say(&b, &s, Active, Note, "process %d reads from it, and %d did", s.ActivePid, b.ActivePid)
	}
}

func orNothing(status string) string {
	if status == "" {
		return "none"
	}
	return status
}

func (d *differ) flag(b, s pg.Slot, k Kind, was, is bool) {
	if was != is {
		d.say(&b, &s, k, Note, "%s is %t, and was %t", k, is, was)
	}
}

// twoPhaseAltered is the first version in which two_phase of a slot can be taken
// back.
const twoPhaseAltered = 180000

// remade says by what a slot is known to be another one of that name, "" where
// nothing shows it.
func (d *differ) remade(b, s pg.Slot) string {
	switch {
	case b.Type != s.Type || b.Plugin != s.Plugin:
		return fmt.Sprintf("it was %s", kind(b))
	case b.DatabaseOID != s.DatabaseOID:
		return fmt.Sprintf("it was in database %s", b.Database)
	case !b.Temporary && s.Temporary:
		return "it was permanent, and is temporary"
	case forGood(b) && !isLost(s):
		reason, _ := b.Lost()
		return fmt.Sprintf("it was given up (%s), and no server takes such a slot back", reason)
	case b.TwoPhase && !s.TwoPhase && d.now.Version < twoPhaseAltered:
		return "it had two_phase, which is never taken back"
	case b.TwoPhaseAt != 0 && s.TwoPhaseAt != 0 && b.TwoPhaseAt != s.TwoPhaseAt && !s.Synced:
		return fmt.Sprintf("its two_phase_at is %s, and was %s", s.TwoPhaseAt, b.TwoPhaseAt)
	case !d.forgot() && b.TotalTxns != nil && s.TotalTxns != nil && *s.TotalTxns < *b.TotalTxns && s.StatsReset.Equal(b.StatsReset):
		return fmt.Sprintf("%d transactions were decoded from it, and %d from the one before", *s.TotalTxns, *b.TotalTxns)
	}
	return ""
}

// forGood says that a server gave the slot up. Before 17 wal_status alone may still
// change while somebody reads from it.
func forGood(s pg.Slot) bool {
	return s.Invalidation != "" || s.Conflicting || s.WalStatus == "lost" && s.Restart == 0
}

// state says what a slot has become, whatever it was; b is nil where that is not
// known.
func (d *differ) state(b *pg.Slot, s pg.Slot) {
	if reason, lost := s.Lost(); lost && (b == nil || !isLost(*b)) {
		w := Bad
		if s.Temporary || d.demoted() {
			w = Note
		}
		d.say(b, &s, Lost, w, "the server gave it up: %s", reason)
	}
	if poisoned(d.now, s) && (b == nil || !poisoned(d.before, *b)) {
		d.say(b, &s, Poisoned, Bad, "it is confirmed up to %s, past the end of the log at %s: what is written up to there never comes", s.Confirmed, d.now.End)
	}
}

func isLost(s pg.Slot) bool {
	_, lost := s.Lost()
	return lost
}

// poisoned tells of a server that takes writes only: a standby has what it received.
func poisoned(n Node, s pg.Slot) bool {
	return n.Role == RolePrimary && n.End != 0 && s.Confirmed > n.End
}

// position compares where a logical slot stands.
func (d *differ) position(b, s pg.Slot) {
	switch {
	case poisoned(d.now, s) || d.now.Role == RoleStandby && s.Synced:
	case s.Confirmed != 0 && s.Confirmed < b.Confirmed:
		d.rewound(b, s, "it is confirmed up to %s, and was up to %s", s.Confirmed, b.Confirmed)
	case s.Restart != 0 && s.Restart < b.Restart:
		d.rewound(b, s, "it keeps WAL from %s on, and did from %s on", s.Restart, b.Restart)
	case s.Confirmed > b.Confirmed && b.Confirmed != 0 && d.before.Role == RolePrimary && d.now.Role == RolePrimary:
		d.advanced(b, s)
	}
}

func (d *differ) rewound(b, s pg.Slot, format string, args ...any) {
	w, text := d.harm(b), ""
	if d.forgot() {
		w, text = Note, ": a server that begins anew knows a slot as it was last saved, and transactions come again"
	}
	d.say(&b, &s, Rewound, w, "%s%s", fmt.Sprintf(format, args...), text)
}

// advanced asks who moved a slot on. On a standby a slot is a copy, which whoever
// made it moves.
func (d *differ) advanced(b, s pg.Slot) {
	consumer, told := d.consumers[s.Name]
	switch {
	case told && s.Confirmed <= consumer:
	case told:
		d.say(&b, &s, Jumped, Bad, "it went from %s to %s, and its consumer has all up to %s only: it was moved on by somebody else, or made again", b.Confirmed, s.Confirmed, consumer)
	case b.Active || s.Active:
	case b.TotalTxns != nil && s.TotalTxns != nil && *s.TotalTxns > *b.TotalTxns:
	default:
		d.say(&b, &s, Jumped, Doubt, "it went from %s to %s, and nobody was seen to read from it: it was moved on, or made again; what lies between is a gap, unless its consumer has it", b.Confirmed, s.Confirmed)
	}
}
