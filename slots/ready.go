package slots

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// Answer is an answer to a question; its zero value promises nothing.
type Answer uint8

// The answers.
const (
	Untold Answer = iota
	No
	Yes
)

// String names the answer.
func (a Answer) String() string { return [...]string{"unknown", "no", "yes"}[a] }

// MarshalText writes the name.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Readiness says whether a slot of the primary would survive a failover to one
// other node at the moment of the snapshot.
type Readiness struct {
	Slot     string `json:"slot"`
	Standby  string `json:"standby"`
	Survives Answer `json:"would_survive"`
	// Why are all reasons why it would not, or why that cannot be told, each with
	// what mends it.
	Why []string `json:"why"`
	// Warnings are what makes it fall behind, or not survive later.
	Warnings []string `json:"warnings"`
}

// Ready judges each logical slot of the primary against each other node. It is
// pure. A row of pg_replication_slots that looks well is all that can be had before
// a failover: whether the slot decodes shows afterwards, see [Check].
func Ready(s Snapshot) []Readiness {
	all := []Readiness{}
	primary, ok := s.Primary()
	if !ok {
		return all
	}
	for _, standby := range s.Nodes {
		if standby.Name == primary.Name {
			continue
		}
		for _, slot := range primary.Slots {
			if slot.Logical() {
				r := readier{primary: primary, standby: standby, slot: slot, said: Readiness{
					Slot: slot.Name, Standby: standby.Name, Why: []string{}, Warnings: []string{}}}
				all = append(all, r.judge())
			}
		}
	}
	return all
}

// Overall is the answer for all logical slots and all nodes together, and the
// reason where none of the single answers gives it.
func Overall(s Snapshot, ready []Readiness) (Answer, string) {
	primary, ok := s.Primary()
	if !ok {
		return Untold, "no primary was seen, or more than one"
	}
	if !slices.ContainsFunc(primary.Slots, pg.Slot.Logical) {
		return Yes, "there is no logical slot on " + primary.Name
	}
	if len(ready) == 0 {
		return Untold, "no other node was named to which a failover could go"
	}
	all := Yes
	for _, r := range ready {
		switch {
		case r.Survives == No:
			return No, ""
		case r.Survives == Untold:
			all = Untold
		}
	}
	return all, ""
}

// readier judges one slot against one standby.
type readier struct {
	primary, standby Node
	slot             pg.Slot
	// copy is the standby's slot of that name, nil if there is none; native says
	// that the standby's server should have made it.
	copy        *pg.Slot
	native      bool
	said        Readiness
	no, unknown bool
}

func (r *readier) never(format string, args ...any) {
	r.no = true
	r.said.Why = append(r.said.Why, fmt.Sprintf(format, args...))
}

func (r *readier) untold(format string, args ...any) {
	r.unknown = true
	r.said.Why = append(r.said.Why, fmt.Sprintf(format, args...))
}

func (r *readier) warn(format string, args ...any) {
	r.said.Warnings = append(r.said.Warnings, fmt.Sprintf(format, args...))
}

func (r *readier) judge() Readiness {
	r.onPrimary()
	if r.standby.Role == RoleUnreachable {
		r.untold("%s could not be seen: %s", r.standby.Name, r.standby.Err)
	} else {
		r.onStandby()
	}
	switch {
	case r.no:
		r.said.Survives = No
	case !r.unknown:
		r.said.Survives = Yes
	}
	return r.said
}

// onPrimary looks at the slot itself.
func (r *readier) onPrimary() {
	s, p := r.slot, r.primary
	if s.Temporary {
		r.never("it is temporary, and ends with its session")
	}
	if reason, lost := s.Lost(); lost {
		r.never("%s gave it up: %s", p.Name, reason)
	}
	if p.End != 0 && s.Confirmed > p.End {
		r.never("it is confirmed up to %s, past the end of the log of %s at %s: what is written up to there never comes; make it again and copy its data anew",
			s.Confirmed, p.Name, p.End)
	}
	r.room(p, s)
}

// littleWAL is how much WAL may still be written where a slot is called in danger:
// a few segments.
const littleWAL = 64 << 20

// room warns of what a node gives up.
func (r *readier) room(n Node, s pg.Slot) {
	limit := n.setting("max_slot_wal_keep_size")
	switch {
	case s.WalStatus == "unreserved":
		r.warn("%s gives it up at the next checkpoint, unless its consumer goes on: max_slot_wal_keep_size there is %s", n.Name, limit)
	case s.SafeBytes != nil && *s.SafeBytes < littleWAL:
		r.warn("%s gives it up after %d more bytes of WAL: max_slot_wal_keep_size there is %s", n.Name, *s.SafeBytes, limit)
	}
	if idle := n.setting("idle_replication_slot_timeout"); idle != "" && idle != "0" {
		r.warn("%s gives it up when its consumer is away for %s (idle_replication_slot_timeout)", n.Name, idle)
	}
}

// versionWithSync is the first that keeps slots on standbys by itself.
const versionWithSync = 170000

// onStandby looks at what the standby has of the slot.
func (r *readier) onStandby() {
	r.copy = found(r.standby, r.slot.Name)
	r.native = r.standby.Version >= versionWithSync && r.slot.Failover
	if r.standby.setting("wal_level") != "logical" {
		r.never("wal_level on %s is %s: set it to logical", r.standby.Name, r.standby.setting("wal_level"))
	}
	switch {
	case r.copy != nil:
		r.copied(*r.copy)
	case r.native:
		r.never("it is not on %s", r.standby.Name)
	case r.standby.Version >= versionWithSync:
		r.never("it is not on %s, and is no failover slot: alter it with failover = true", r.standby.Name)
	default:
		r.never("it is not on %s: PostgreSQL %d keeps no logical slots on standbys; pg_failover_slots or Patroni's permanent slots copy them, and 17 has failover slots",
			r.standby.Name, r.standby.Version/10000)
	}
	r.follows()
	r.ahead()
	if r.native || r.copy == nil && r.standby.Version >= versionWithSync {
		r.sync()
	}
}

// follows looks whether the standby's log is one that the primary's goes on from: of
// another log, positions say nothing.
func (r *readier) follows() {
	s, p := r.standby, r.primary
	fork, known := forkOf(s, p)
	switch {
	case s.Timeline == 0 || p.Timeline == 0:
		r.untold("whether %s is on the log of %s was not seen: that needs a role with the attribute REPLICATION on both", s.Name, p.Name)
	case !known:
		r.untold("whether %s, on timeline %d, is on the log of %s, on timeline %d, no history tells", s.Name, s.Timeline, p.Name, p.Timeline)
	case s.End > fork:
		r.never("%s has a log of its own: it is on timeline %d up to %s, and %s left that at %s; rewind it or make it anew", s.Name, s.Timeline, s.End, p.Name, fork)
	}
}

// ahead compares what the consumer has with what the standby has.
func (r *readier) ahead() {
	switch end := r.standby.End; {
	case end == 0:
		r.untold("how far %s received the log is not known", r.standby.Name)
	case r.slot.Confirmed > end:
		r.never("its consumer is ahead: it has all up to %s, and %s received the log up to %s", r.slot.Confirmed, r.standby.Name, end)
	}
}

// copied judges the standby's row. Invalidation is asked for by itself: on 17 and
// newer, conflicting is false for a slot whose WAL is gone.
func (r *readier) copied(c pg.Slot) {
	s, on := r.slot, r.standby.Name
	if c.Plugin != s.Plugin || c.Database != s.Database || c.TwoPhase != s.TwoPhase || !c.Logical() {
		r.never("%s has another slot of that name: %s in %q", on, kind(c), c.Database)
		return
	}
	if c.Temporary {
		r.never("its copy on %s is still temporary, and goes with a promotion: it becomes permanent when the consumer goes on; pg_log_standby_snapshot() on %s hastens that",
			on, r.primary.Name)
	}
	if reason, lost := c.Lost(); lost {
		r.never("%s gave its copy up: %s", on, reason)
	} else if c.Restart == 0 || c.Confirmed == 0 {
		r.never("its copy on %s has no position yet", on)
	}
	r.room(r.standby, c)
	if c.Synced || r.native {
		r.synced(c)
		return
	}
	// A copy by other means.
	if c.Confirmed > s.Confirmed {
		r.never("its copy on %s stands at %s, past %s where it is on %s: what lies between would not come", on, c.Confirmed, s.Confirmed, r.primary.Name)
	}
	if c.Active && r.standby.Version < 160000 {
		r.never("its copy on %s is still being made: pg_failover_slots reads from it", on)
	} else if c.Active {
		r.untold("somebody reads from its copy on %s: pg_failover_slots, which still makes it, or another consumer", on)
	}
	physical, ok := r.primary.physicalSlot(r.standby)
	if !ok || physical.CatalogXmin == 0 || precedes(c.CatalogXmin, physical.CatalogXmin) {
		r.untold("whether %s keeps the catalog rows that its copy needs (from transaction %d on) is not certain: the physical slot of %s on %s keeps them from %d on",
			r.primary.Name, c.CatalogXmin, on, r.primary.Name, physical.CatalogXmin)
	}
}

// synced judges a copy that the standby's server made.
func (r *readier) synced(c pg.Slot) {
	s, on := r.slot, r.standby.Name
	if !s.Failover {
		r.never("it is no failover slot any more, and %s drops its copy: alter it with failover = true", on)
	}
	// The server copies from the slot. A copy that is past it is of an earlier slot,
	// or the slot moved between the two looks.
	if c.Confirmed > s.Confirmed {
		r.untold("its copy on %s stands at %s, past %s where it was seen on %s: what lies between would not come, if that stays so; look again",
			on, c.Confirmed, s.Confirmed, r.primary.Name)
	}
}

// precedes compares transaction ids, which wrap (PostgreSQL transam.c,
// TransactionIdPrecedes).
func precedes(a, b pg.Xid) bool { return int32(a-b) < 0 }

// sync says what stands against the server's own synchronization. It keeps a slot
// from coming to the standby, and lets one that is there fall behind.
func (r *readier) sync() {
	tell := r.never
	if r.copy != nil && !r.copy.Temporary {
		tell = r.warn
	}
	on, p := r.standby.Name, r.primary
	clashes := r.clashes()
	if slices.Contains(clashes, r.slot.Name) {
		r.never("%s has a slot of that name that is not synced: it stops the synchronization of all slots; drop it there", on)
	} else if len(clashes) > 0 {
		tell("no slot is synchronized to %s while it has one that is not synced under the name of a failover slot: drop %s there", on, strings.Join(clashes, ", "))
	}
	healthy := true
	mend := func(format string, args ...any) { healthy = false; tell(format, args...) }
	if r.standby.setting("sync_replication_slots") != "on" {
		mend("sync_replication_slots on %s is off: set it to on", on)
	}
	if r.standby.setting("hot_standby_feedback") != "on" {
		mend("hot_standby_feedback on %s is off: slots are synchronized only with it on", on)
	}
	if name := r.standby.setting("primary_slot_name"); name == "" {
		mend("primary_slot_name on %s is not set: name a physical slot of %s", on, p.Name)
	} else if _, ok := p.physicalSlot(r.standby); !ok {
		mend("primary_slot_name on %s is %q, and %s has no such physical slot", on, name, p.Name)
	}
	if database, seen := r.standby.Settings[node.UpstreamDatabase]; seen && database == "" {
		mend("primary_conninfo on %s names no dbname: add one", on)
	}
	if healthy && len(r.standby.Unseen) == 0 && !r.standby.Syncing {
		tell("no slot sync worker runs on %s: its log says why", on)
	}
	if used, most := len(r.standby.Slots), r.standby.setting("max_replication_slots"); r.copy == nil && most == fmt.Sprint(used) {
		tell("all %s replication slots of %s are in use: raise max_replication_slots", most, on)
	}
	if name := r.standby.setting("primary_slot_name"); name != "" && !listed(p.setting("synchronized_standby_slots"), name) {
		r.warn("synchronized_standby_slots on %s does not name %q: its consumer can get ahead of %s", p.Name, name, on)
	}
}

// clashes are the slots of the standby that have the name of one that is to be
// synchronized, and are not. One of them aborts each attempt at all the others.
func (r *readier) clashes() []string {
	var names []string
	for _, c := range r.standby.Slots {
		s, ok := r.primary.Slot(c.Name)
		if ok && s.Failover && !s.Temporary && !c.Synced {
			names = append(names, c.Name)
		}
	}
	return names
}

// listed tells whether a setting that is a list of names has this one. Names of
// slots need no quotes, but may have them.
func listed(list, name string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if strings.Trim(strings.TrimSpace(entry), `"`) == name {
			return true
		}
	}
	return false
}
