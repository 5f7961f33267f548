package slots

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// ready is a primary and a standby of 17 to which the only slot would survive, and
// nothing is to be warned of.
func ready() Snapshot {
	slot := func() pg.Slot {
		return pg.Slot{Name: "s", Type: "logical", Plugin: "pgoutput", Database: "db", CatalogXmin: 700, Restart: 0x700, Confirmed: 0x800,
			WalStatus: "reserved", Failover: true}
	}
	copied := slot()
	copied.Synced = true
	return Snapshot{Schema: Schema, Nodes: []Node{{
		Name: "p", Role: RolePrimary, System: 7, Version: 170010, End: 0x1000, Timeline: 1, HasHistory: true,
		Settings: map[string]string{"synchronized_standby_slots": "other, standby_slot"},
		Slots:    []pg.Slot{slot(), {Name: "standby_slot", Type: "physical", Restart: 0x900, CatalogXmin: 690}},
	}, {
		Name: "q", Role: RoleStandby, System: 7, Version: 170010, End: 0x900, Timeline: 1, HasHistory: true, Syncing: true,
		Settings: map[string]string{"wal_level": "logical", "sync_replication_slots": "on", "hot_standby_feedback": "on",
			"primary_slot_name": "standby_slot", node.UpstreamDatabase: "db", "max_replication_slots": "1"},
		Slots: []pg.Slot{copied},
	}}}
}

// older is the same of 15, where something else copied the slot.
func older() Snapshot {
	s := ready()
	for i := range s.Nodes {
		s.Nodes[i].Version = 150010
		s.Nodes[i].Slots[0].Failover, s.Nodes[i].Slots[0].Synced = false, false
	}
	for _, name := range []string{"sync_replication_slots", node.UpstreamDatabase, "synchronized_standby_slots"} {
		delete(s.Nodes[0].Settings, name)
		delete(s.Nodes[1].Settings, name)
	}
	return s
}

func TestReady(t *testing.T) {
	type change func(p, q *Node)
	gone := func(p, q *Node) { q.Slots = nil }
	set := func(name, value string) change { return func(_, q *Node) { q.Settings[name] = value } }
	both := func(a, b change) change { return func(p, q *Node) { a(p, q); b(p, q) } }
	few := int64(1000)
	// The primary left the standby's timeline there.
	onTwo := func(fork pg.LSN) change {
		return func(p, q *Node) { p.Timeline, p.History = 2, pg.History{{Parent: 1, End: fork}} }
	}
	for name, c := range map[string]struct {
		base          func() Snapshot
		change        change
		want          Answer
		why, warnings []string // parts of each, in order
	}{
		"well":           {ready, func(p, q *Node) {}, Yes, nil, nil},
		"temporary":      {ready, func(p, q *Node) { p.Slots[0].Temporary = true }, No, []string{"ends with its session"}, nil},
		"lost":           {ready, func(p, q *Node) { p.Slots[0].WalStatus = "lost" }, No, []string{"p gave it up"}, nil},
		"poisoned":       {ready, func(p, q *Node) { p.Slots[0].Confirmed, q.End = 0x1100, 0x1200 }, No, []string{"past the end of the log"}, nil},
		"unreachable":    {ready, func(p, q *Node) { q.Role, q.Err = RoleUnreachable, "refused" }, Untold, []string{"could not be seen: refused"}, nil},
		"lost, not seen": {ready, func(p, q *Node) { p.Slots[0].WalStatus, q.Role = "lost", RoleUnreachable }, No, []string{"gave it up", "could not be seen"}, nil},
		"missing":        {ready, gone, No, []string{"not on q"}, nil},
		"no failover slot": {ready, both(gone, func(p, q *Node) { p.Slots[0].Failover = false }), No,
			[]string{"no failover slot"}, nil},
		"nothing was set up": {ready, func(p, q *Node) {
			p.Slots[0].Failover, q.Slots, q.Settings["sync_replication_slots"] = false, nil, "off"
		}, No,
			[]string{"no failover slot", "sync_replication_slots"}, nil},
		"copy is temporary":   {ready, func(p, q *Node) { q.Slots[0].Temporary = true }, No, []string{"still temporary"}, nil},
		"copy is lost":        {ready, func(p, q *Node) { q.Slots[0].Invalidation = "wal_removed" }, No, []string{"q gave its copy up: wal_removed"}, nil},
		"copy has no place":   {ready, func(p, q *Node) { q.Slots[0].Confirmed = 0 }, No, []string{"no position"}, nil},
		"another plugin":      {ready, func(p, q *Node) { q.Slots[0].Plugin = "wal2json" }, No, []string{"another slot"}, nil},
		"a clash":             {ready, func(p, q *Node) { q.Slots[0].Synced = false }, No, []string{"stops the synchronization of all"}, nil},
		"consumer ahead":      {ready, func(p, q *Node) { p.Slots[0].Confirmed = 0x980 }, No, []string{"its consumer is ahead"}, nil},
		"end unknown":         {ready, func(p, q *Node) { q.End = 0 }, Untold, []string{"not known"}, nil},
		"timeline not seen":   {ready, func(p, q *Node) { q.Timeline = 0 }, Untold, []string{"was not seen"}, nil},
		"follows from before": {ready, onTwo(0x900), Yes, nil, nil},
		"a log of its own":    {ready, onTwo(0x8FF), No, []string{"a log of its own"}, nil},
		"nobody's log":        {ready, func(p, q *Node) { q.Timeline = 3 }, Untold, []string{"no history tells"}, nil},
		"no failover slot any more": {ready, func(p, q *Node) { p.Slots[0].Failover = false }, No,
			[]string{"any more"}, nil},
		"copy is past it":     {ready, func(p, q *Node) { q.Slots[0].Confirmed = 0x801 }, Untold, []string{"look again"}, nil},
		"wal_level":           {ready, set("wal_level", "replica"), No, []string{"set it to logical"}, nil},
		"no sync, copied":     {ready, set("sync_replication_slots", "off"), Yes, nil, []string{"sync_replication_slots"}},
		"no sync":             {ready, both(gone, set("sync_replication_slots", "off")), No, []string{"not on q", "sync_replication_slots"}, nil},
		"no feedback":         {ready, both(gone, set("hot_standby_feedback", "off")), No, []string{"not on q", "hot_standby_feedback"}, nil},
		"no physical slot":    {ready, both(gone, set("primary_slot_name", "")), No, []string{"not on q", "primary_slot_name on q is not set"}, nil},
		"wrong physical slot": {ready, both(gone, set("primary_slot_name", "other")), No, []string{"not on q", "no such physical slot"}, nil},
		"no dbname":           {ready, both(gone, set(node.UpstreamDatabase, "")), No, []string{"not on q", "names no dbname"}, nil},
		"no worker":           {ready, both(gone, func(p, q *Node) { q.Syncing = false }), No, []string{"not on q", "no slot sync worker"}, nil},
		"worker not seen": {ready, both(gone, func(p, q *Node) { q.Syncing, q.Unseen = false, []string{"it"} }), No,
			[]string{"not on q"}, nil},
		"no room": {ready, func(p, q *Node) { q.Slots[0].Name = "other" }, No, []string{"not on q", "all 1 replication slots"}, nil},
		"consumer may get ahead": {ready, func(p, q *Node) { p.Settings["synchronized_standby_slots"] = "other" }, Yes, nil,
			[]string{"does not name"}},
		"little room for WAL": {ready, func(p, q *Node) { q.Slots[0].SafeBytes = &few }, Yes, nil, []string{"1000 more bytes"}},
		"unreserved":          {ready, func(p, q *Node) { p.Slots[0].WalStatus = "unreserved" }, Yes, nil, []string{"next checkpoint"}},
		"idle timeout":        {ready, set("idle_replication_slot_timeout", "1h"), Yes, nil, []string{"away for 1h"}},
		"no idle timeout":     {ready, set("idle_replication_slot_timeout", "0"), Yes, nil, nil},

		"older: copied":           {older, func(p, q *Node) {}, Yes, nil, nil},
		"older: missing":          {older, gone, No, []string{"PostgreSQL 15 keeps no logical slots"}, nil},
		"older: copied too far":   {older, func(p, q *Node) { q.Slots[0].Confirmed = 0x880 }, No, []string{"would not come"}, nil},
		"older: being copied":     {older, func(p, q *Node) { q.Slots[0].Active = true }, No, []string{"still being made"}, nil},
		"older: rows may be gone": {older, func(p, q *Node) { q.Slots[0].CatalogXmin = 689 }, Untold, []string{"not certain"}, nil},
		"older: xids wrap":        {older, func(p, q *Node) { p.Slots[1].CatalogXmin = 1<<32 - 5 }, Yes, nil, nil},
		"older: no feedback":      {older, func(p, q *Node) { p.Slots[1].CatalogXmin = 0 }, Untold, []string{"not certain"}, nil},
		"16: in use": {older, func(p, q *Node) { q.Slots[0].Active, q.Version = true, 160004 }, Untold,
			[]string{"somebody reads"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.base()
			c.change(&s.Nodes[0], &s.Nodes[1])
			all := Ready(s)
			if len(all) != 1 {
				t.Fatalf("%d answers", len(all))
			}
			same := func(found, want []string) bool {
				return slices.EqualFunc(found, want, strings.Contains)
			}
			if r := all[0]; r.Survives != c.want || !same(r.Why, c.why) || !same(r.Warnings, c.warnings) {
				t.Errorf("%s, because %q, but %q; want %s, because %q, but %q", r.Survives, r.Why, r.Warnings, c.want, c.why, c.warnings)
			}
			if answer, _ := Overall(s, all); answer != c.want {
				t.Errorf("of all: %s", answer)
			}
		})
	}
}

// One left-over of a former primary stops the synchronization of every slot.
func TestReadyTellsAClashOfAllSlots(t *testing.T) {
	s := ready()
	for _, name := range []string{"copied", "missing", "stopper"} {
		slot := s.Nodes[0].Slots[0]
		slot.Name = name
		s.Nodes[0].Slots = append(s.Nodes[0].Slots, slot)
		slot.Synced = name == "copied"
		if name != "missing" {
			s.Nodes[1].Slots = append(s.Nodes[1].Slots, slot)
		}
	}
	for _, r := range Ready(s) {
		want := map[string]Answer{"s": Yes, "copied": Yes, "missing": No, "stopper": No}[r.Slot]
		if said := strings.Join(append(r.Why, r.Warnings...), "; "); r.Survives != want || !strings.Contains(said, "synchroniz") {
			t.Errorf("%s: %s, %s", r.Slot, r.Survives, said)
		}
	}
}

func TestOverall(t *testing.T) {
	alone, none, empty := ready(), ready(), ready()
	alone.Nodes = alone.Nodes[:1]
	none.Nodes[0].Role = RoleUnreachable
	empty.Nodes[0].Slots = empty.Nodes[0].Slots[1:]
	for name, c := range map[string]struct {
		s    Snapshot
		want Answer
	}{"no standby": {alone, Untold}, "no primary": {none, Untold}, "no logical slot": {empty, Yes}} {
		if got, why := Overall(c.s, Ready(c.s)); got != c.want || why == "" {
			t.Errorf("%s: %s, %q", name, got, why)
		}
	}
}
