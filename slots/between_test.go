package slots

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// watched is a primary with one slot that nobody reads from, and that has decoded
// ten transactions.
func watched() Node {
	return Node{Name: "p", Role: RolePrimary, System: 7, Version: 170010, Timeline: 1, Started: 5, StatsReset: 3, End: 0x2000,
		Slots: []pg.Slot{{Name: "s", Type: "logical", Plugin: "pgoutput", Database: "db", DatabaseOID: 5, Restart: 0x700, Confirmed: 0x800,
			WalStatus: "reserved", TotalTxns: number(10)}}}
}

func number(n int64) *int64 { return &n }

// told is what is wanted of a change.
func told(all []Change) string {
	var words []string
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s %s", c.Kind, c.Weight))
	}
	return strings.Join(words, ", ")
}

func TestBetween(t *testing.T) {
	type change func(n *Node, s *pg.Slot)
	standby := func(n *Node, s *pg.Slot) { n.Role = RoleStandby }
	syncedCopy := func(n *Node, s *pg.Slot) { n.Role, s.Synced = RoleStandby, true }
	both := func(all ...change) change {
		return func(n *Node, s *pg.Slot) {
			for _, c := range all {
				c(n, s)
			}
		}
	}
	confirm := func(to pg.LSN) change { return func(n *Node, s *pg.Slot) { s.Confirmed = to } }
	restarted := func(n *Node, s *pg.Slot) { n.Started = 6 }
	crashed := func(n *Node, s *pg.Slot) { n.StatsReset = 4 }
	active := func(n *Node, s *pg.Slot) { s.Active, s.ActivePid = true, 9 }
	temporary := func(n *Node, s *pg.Slot) { s.Temporary = true }
	txns := func(n int64) change { return func(_ *Node, s *pg.Slot) { s.TotalTxns = number(n) } }
	status := func(word string) change { return func(_ *Node, s *pg.Slot) { s.WalStatus = word } }
	version := func(v int) change { return func(n *Node, _ *pg.Slot) { n.Version = v } }
	twoPhase := func(at pg.LSN) change { return func(_ *Node, s *pg.Slot) { s.TwoPhase, s.TwoPhaseAt = true, at } }
	invalid := func(n *Node, s *pg.Slot) { s.Invalidation, s.WalStatus = "wal_removed", "lost" }
	gone := func(n *Node, s *pg.Slot) { n.Slots = nil }
	physical := func(n *Node, s *pg.Slot) { s.Type, s.Plugin, s.Confirmed, s.TotalTxns = "physical", "", 0, nil }
	tableSync := func(n *Node, s *pg.Slot) { s.Name = "pg_16394_sync_16385_7577000000000000000" }
	same := func(*Node, *pg.Slot) {}
	for name, c := range map[string]struct {
		before, now change
		consumer    pg.LSN
		want        string
	}{
		"nothing":                                 {same, same, 0, ""},
		"vanished":                                {same, gone, 0, "vanished bad"},
		"vanished, was temporary":                 {temporary, gone, 0, "vanished note"},
		"vanished while it was made":              {confirm(0), gone, 0, "vanished note"},
		"vanished when a table was copied":        {tableSync, gone, 0, "vanished note"},
		"a physical one vanished":                 {physical, gone, 0, "vanished bad"},
		"vanished with its promotion":             {both(standby, temporary), gone, 0, "promoted note, vanished bad"},
		"vanished from a standby":                 {standby, both(standby, gone), 0, "vanished bad"},
		"vanished from a server that was demoted": {same, both(standby, gone), 0, "demoted note, vanished note"},
		"appeared":                                {gone, same, 0, "appeared note"},
		"appeared, poisoned":                      {gone, confirm(0x2001), 0, "appeared note, poisoned bad"},
		"another plugin":                          {same, func(n *Node, s *pg.Slot) { s.Plugin = "test_decoding" }, 0, "remade bad"},
		"physical now":                            {same, physical, 0, "remade bad"},
		"another database":                        {same, func(n *Node, s *pg.Slot) { s.DatabaseOID = 6 }, 0, "remade bad"},
		"the database was renamed":                {same, func(n *Node, s *pg.Slot) { s.Database = "other" }, 0, ""},
		"temporary, was permanent":                {same, temporary, 0, "remade bad"},
		"a copy made again":                       {syncedCopy, both(syncedCopy, temporary), 0, "remade bad"},
		"persistent":                              {both(syncedCopy, temporary), syncedCopy, 0, "persistent note"},
		"invalid, and valid again":                {invalid, same, 0, "remade bad"},
		"invalid on 16, and valid again":          {func(n *Node, s *pg.Slot) { s.Conflicting = true }, same, 0, "remade bad"},
		"lost on 15, and valid again":             {func(n *Node, s *pg.Slot) { s.WalStatus, s.Restart = "lost", 0 }, same, 0, "remade bad"},
		"lost on 15, and somebody reads":          {both(version(150018), status("lost")), both(version(150018), status("unreserved")), 0, "wal_status note"},
		"two_phase taken back":                    {twoPhase(0), same, 0, "remade bad"},
		"two_phase taken back on 18":              {both(version(180004), twoPhase(0)), version(180004), 0, "two_phase note"},
		"two_phase_at moved":                      {twoPhase(0x100), twoPhase(0x200), 0, "remade bad"},
		"two_phase_at moved, synced":              {both(syncedCopy, twoPhase(0x100)), both(syncedCopy, twoPhase(0x200)), 0, ""},
		"decoded less":                            {same, txns(0), 0, "remade bad"},
		"decoded less, moved on":                  {same, both(txns(0), confirm(0x900)), 0, "remade bad"},
		"decoded less, moved on, poisoned":        {same, both(txns(0), confirm(0x2001)), 0, "remade bad, poisoned bad"},
		"decoded less, restarted":                 {same, both(restarted, txns(0)), 0, "restarted note"},
		"decoded less, after a crash":             {same, both(crashed, txns(0)), 0, ""},
		"decoded less, counted anew":              {same, func(n *Node, s *pg.Slot) { s.TotalTxns, s.StatsReset = number(0), time.Unix(1, 0) }, 0, ""},
		"moved on, nobody seen":                   {same, confirm(0x900), 0, "jumped doubt"},
		"moved on, was read":                      {active, confirm(0x900), 0, "inactive note"},
		"moved on, is read":                       {same, both(active, confirm(0x900)), 0, "active note"},
		"moved on, decoded":                       {same, both(txns(11), confirm(0x900)), 0, ""},
		"moved on to its consumer":                {same, confirm(0x900), 0x900, ""},
		"moved on past its consumer":              {same, confirm(0x900), 0x8FF, "jumped bad"},
		"moved on past its consumer, active":      {active, both(active, confirm(0x900)), 0x8FF, "jumped bad"},
		"moved on, on a standby":                  {standby, both(standby, confirm(0x900)), 0, ""},
		"moved on before its promotion":           {standby, confirm(0x900), 0x800, "promoted note"},
		"became consistent":                       {confirm(0), confirm(0x900), 0, ""},
		"went back":                               {same, confirm(0x7FF), 0, "rewound bad"},
		"went back, restarted":                    {same, both(restarted, confirm(0x7FF)), 0, "restarted note, rewound note"},
		"went back, after a crash":                {same, both(crashed, confirm(0x7FF)), 0, "rewound note"},
		"went back, synced":                       {syncedCopy, both(syncedCopy, confirm(0x7FF)), 0, ""},
		"went back, a copy":                       {standby, both(standby, confirm(0x7FF)), 0, "rewound bad"},
		"its WAL went back":                       {same, func(n *Node, s *pg.Slot) { s.Restart = 0x6FF }, 0, "rewound bad"},
		"physical, went back":                     {physical, both(physical, func(n *Node, s *pg.Slot) { s.Restart = 0x6FF }), 0, ""},
		"poisoned":                                {same, confirm(0x2001), 0, "poisoned bad"},
		"poisoned by its consumer":                {same, both(active, confirm(0x2001)), 0x3000, "poisoned bad, active note"},
		"still poisoned":                          {confirm(0x2001), confirm(0x2001), 0, ""},
		"confirmed to the end":                    {active, both(active, confirm(0x2000)), 0, ""},
		"a standby that received less":            {both(standby, confirm(0x2001)), both(standby, confirm(0x2002)), 0, ""},
		"poisoned, and promoted":                  {both(standby, confirm(0x2001)), confirm(0x2001), 0, "promoted note, poisoned bad"},
		"invalidated":                             {same, invalid, 0, "lost bad"},
		"invalidated, its row looks well":         {same, func(n *Node, s *pg.Slot) { s.Invalidation = "rows_removed" }, 0, "lost bad"},
		"lost":                                    {status("unreserved"), func(n *Node, s *pg.Slot) { s.WalStatus, s.Restart = "lost", 0 }, 0, "lost bad"},
		"extended":                                {same, status("extended"), 0, "wal_status note"},
		"unreserved":                              {status("extended"), status("unreserved"), 0, "wal_status note"},
		"reserved again":                          {status("unreserved"), status("reserved"), 0, "wal_status note"},
		"failover":                                {same, func(n *Node, s *pg.Slot) { s.Failover = true }, 0, "failover note"},
		"no longer synced":                        {syncedCopy, standby, 0, "synced note"},
		"read":                                    {same, active, 0, "active note"},
		"read by another":                         {active, func(n *Node, s *pg.Slot) { s.Active, s.ActivePid = true, 10 }, 0, "active note"},
		"left":                                    {active, same, 0, "inactive note"},
		"another timeline":                        {same, func(n *Node, s *pg.Slot) { n.Timeline = 2 }, 0, "timeline note"},
		"a timeline that is not seen":             {same, func(n *Node, s *pg.Slot) { n.Timeline = 0 }, 0, ""},
		"promoted":                                {standby, func(n *Node, s *pg.Slot) { n.Timeline = 2 }, 0, "promoted note"},
		"restarted as a standby":                  {same, both(standby, restarted), 0, "restarted note, demoted note"},
		"lost on a server that was demoted":       {same, both(standby, invalid), 0, "demoted note, lost note"},
		"made again on a server that was demoted": {same, both(standby, temporary), 0, "demoted note, remade note"},
		"statistics that the version does not have": {both(version(130023), func(_ *Node, s *pg.Slot) { s.TotalTxns = nil }),
			both(version(130023), confirm(0x900), func(_ *Node, s *pg.Slot) { s.TotalTxns = nil }), 0, "jumped doubt"},
	} {
		t.Run(name, func(t *testing.T) {
			before, now := watched(), watched()
			c.before(&before, &before.Slots[0])
			c.now(&now, &now.Slots[0])
			consumers := map[string]pg.LSN{}
			if c.consumer != 0 {
				consumers["s"] = c.consumer
			}
			all := Between(before, now, consumers)
			if got := told(all); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			for _, c := range all {
				if c.Node != "p" || c.Role != now.Role || c.Text == "" || (c.Slot == "") != (c.Before == nil && c.After == nil) {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		seen []Weight
		want Answer
	}{
		{nil, Untold},
		{[]Weight{Note, Note}, Yes},
		{[]Weight{Note, Doubt, Note}, Untold},
		{[]Weight{Doubt, Bad, Note}, No},
		{[]Weight{Weight(0)}, Untold},
	} {
		if got := Conclude(c.seen...); got != c.want {
			t.Errorf("%v: %s, want %s", c.seen, got, c.want)
		}
	}
	for _, w := range []Weight{Doubt, Note, Bad} {
		var back Weight
		if text, err := w.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != w {
			t.Errorf("%s is read as %s", text, back)
		}
	}
	if err := new(Weight).UnmarshalText([]byte("good")); err == nil {
		t.Error("a weight that nobody knows is read")
	}
}
