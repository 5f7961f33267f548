package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// A role that lacks REPLICATION is told what it cannot see: the word and the history
// of any timeline but the first. With it no other right is needed.
func TestTimelineWithoutRights(t *testing.T) {
	ctx := t.Context()
	p := openPair(t)
	standby := standbyOf(t, p.primary)
	for _, sql := range []string{"create role plain login", "create role replicating login replication", "revoke execute on function pg_control_system() from public"} {
		must(t, p.primary.Exec(ctx, sql))
	}
	must(t, standby.WaitReplayed(ctx, p.primary))
	asRole := func(role string) []string {
		return []string{"--primary-pgdsn=" + as(p.primary.DSN("postgres"), role), "--standby-pgdsn=" + as(standby.DSN("postgres"), role)}
	}
	if got := seen(t, 0, asRole("replicating")...); got.pair(t, p.primary.Addr(), standby.Addr()).Kin != "together" {
		t.Errorf("with REPLICATION: %+v", got.Pairs)
	}
	must(t, standby.Promote(ctx))
	writes(t, p.primary)
	got := seen(t, exitInconclusive, asRole("plain")...)
	first, second := got.node(t, p.primary.Addr()), got.node(t, standby.Addr())
	if first.Role != "primary" || *first.Timeline != 1 || first.Flush == nil || first.System != nil || len(first.Unseen) != 1 || first.Segment == nil {
		t.Errorf("timeline 1: %+v", first)
	}
	if *second.Timeline != 2 || second.History != nil || second.Flush == nil || len(second.Unseen) != 2 || !strings.Contains(second.Unseen[0], `"plain" may not connect`) {
		t.Errorf("timeline 2: %+v", second)
	}
	if pair := got.pair(t, p.primary.Addr(), standby.Addr()); pair.Kin != "unknown" || pair.Fork != nil || pair.PastA != nil {
		t.Errorf("pair %+v", pair)
	}
	// Nothing is refused for a timeline that the unseen history may have.
	asked := seen(t, exitInconclusive, append(asRole("plain"), "--at=2/0/3000060")...)
	for _, answer := range asked.At.Nodes {
		if answer.Verdict != "unknown" {
			t.Errorf("answer %+v", answer)
		}
	}
	// With the right to read it, the same servers tell all.
	checkFork(t, seen(t, 0, asRole("replicating")...).pair(t, p.primary.Addr(), standby.Addr()), forkOf(t, standby, 2))
	// The repo is another cluster.
	strangers := seen(t, 0, "--primary-pgdsn="+p.primary.DSN("postgres"), "--standby-pgdsn="+p.repo.DSN("postgres"), "--at=1/0/1000028")
	if len(strangers.Strangers) != 1 || strangers.Strangers[0] != p.repo.Addr() || strangers.Pairs[0].Kin != "strangers" || strangers.At.Nodes[1].Verdict != "no" {
		t.Errorf("another cluster: %+v", strangers)
	}
}

// What a server says over SQL and over replication is put together: one that receives a
// timeline before it replays it is on the one that it replays.
func TestWordOfAServer(t *testing.T) {
	old := word{}
	old.id.Timeline, old.id.System, old.ends.Flush, old.ends.Insert = 1, 7, 300, 300
	old.system = node.System{SystemID: 7, Timeline: 1, Position: 300, HasHistory: true}
	follows := old
	follows.id.InRecovery, follows.ends = true, node.Ends{Receive: 290, Replay: 250}
	follows.system.Position = 295
	for _, test := range []struct {
		name   string
		change func(*word)
		of     word
		fits   bool
		tl     pg.Timeline
		known  bool
		end    pg.LSN
	}{
		{"a primary", func(*word) {}, old, true, 1, true, 300},
		{"a standby", func(*word) {}, follows, true, 1, true, 295},
		{"promoted in between", func(w *word) { w.ends = node.Ends{Insert: 400, Flush: 400} }, follows, false, 1, false, 0},
		{"promoted before its own word", func(w *word) { w.system.Timeline, w.ends = 2, node.Ends{Insert: 400, Flush: 400} }, old, false, 1, false, 400},
		{"another server", func(w *word) { w.system.SystemID = 8 }, old, false, 1, false, 300},
		{"it receives what it does not replay yet", func(w *word) { w.id.Timeline, w.ends.Receive, w.system.Position = 2, 350, 260 }, follows, false, 1, true, 260},
		{"a timeline 1 without the right", func(w *word) { w.unheard = errors.New("no right") }, old, true, 1, true, 300},
		{"a standby without the right", func(w *word) { w.id.Timeline, w.unheard = 0, errors.New("no right") }, follows, true, 0, false, 290},
	} {
		test.change(&test.of)
		n := test.of.node()
		if test.of.fits() != test.fits || n.Timeline != test.tl || n.HasHistory != test.known || n.End != test.end || len(n.Unseen) > 0 == test.known {
			t.Errorf("%s: fits %t, %+v", test.name, test.of.fits(), n)
		}
	}
	ancient := node.Identity{VersionNum: 120022}
	ancient.Version = "12.22"
	if err := newEnough(ancient, "db1:5432"); trouble.Of(err) != trouble.Refused || err.Error() != "db1:5432 runs PostgreSQL 12.22; 13 or newer is needed" {
		t.Errorf("version 12: %v", err)
	}
	if err := newEnough(node.Identity{VersionNum: node.OldestVersion}, "db1:5432"); err != nil {
		t.Error(err)
	}
}

// An interrupt ends it without a picture that lacks who was not asked.
func TestTimelineInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := pgrpoUntil(ctx, t, "timeline", "--data-dir="+recordedSlots(t), "--primary-pgdsn=postgres://postgres@127.0.0.1:1/postgres")
	if r.status != exitInterrupted || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("status %d", r.status)
	}
}
