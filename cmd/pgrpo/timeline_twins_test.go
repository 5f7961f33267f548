package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// trio is a primary and two standbys that stream from it.
func trio(t *testing.T) (primary, a, b *sandbox.Server, flags []string) {
	t.Helper()
	ctx := t.Context()
	box := sandboxOf(t)
	primary, err := box.Primary(ctx, "primary", nil)
	must(t, err)
	a, err = box.Standby(ctx, "a", primary, "")
	must(t, err)
	b, err = box.Standby(ctx, "b", primary, "")
	must(t, err)
	writes(t, primary)
	for _, v := range []*sandbox.Server{a, b} {
		must(t, v.WaitStreaming(ctx, primary))
		must(t, v.WaitReplayed(ctx, primary))
	}
	return primary, a, b, []string{"--primary-pgdsn=" + a.DSN("postgres"), "--standby-pgdsn=" + b.DSN("postgres")}
}

// Two standbys that are promoted at different positions are both on timeline 2,
// and their histories tell them apart.
func TestTimelineOfTwins(t *testing.T) {
	ctx := t.Context()
	primary, a, b, flags := trio(t)
	must(t, a.Promote(ctx))
	between := writes(t, primary)
	must(t, b.WaitReplayed(ctx, primary))
	must(t, b.Promote(ctx))
	fork, later := forkOf(t, a, 2), forkOf(t, b, 2)
	own := max(writes(t, a), writes(t, b), later)
	writes(t, a)
	between = max(between, fork)
	got := seen(t, 0, flags...)
	checkFork(t, got.pair(t, a.Addr(), b.Addr()), fork)
	if len(got.Twins) != 1 || got.Twins[0].Timeline != 2 || len(got.Twins[0].Of) != 2 || len(got.Histories) != 2 {
		t.Errorf("twins %+v, histories %+v", got.Twins, got.Histories)
	}
	if text := pgrpo(t, append([]string{"timeline"}, flags...)...).stdout; !strings.Contains(text, "there are 2 timelines 2: that of "+a.Addr()+"; that of "+b.Addr()) {
		t.Error("the text does not tell of twins")
	}
	// A position of timeline 1 is told; one of timeline 2 is only where no timeline
	// 2 has one of its own.
	if got := has(t, 1, between, flags...); got[a.Addr()].Verdict != "no" || got[b.Addr()].Verdict != "yes" {
		t.Errorf("between the forks: %+v", got)
	}
	if got := has(t, 2, fork-1, flags...); got[a.Addr()].Verdict != "yes" || got[b.Addr()].Verdict != "yes" {
		t.Errorf("below both forks: %+v", got)
	}
	asked := seen(t, exitInconclusive, append(flags, "--at=2/"+own.String())...)
	for _, answer := range asked.At.Nodes {
		if answer.Verdict != "unknown" || !strings.Contains(*answer.Why, "2 timelines 2") {
			t.Errorf("past both forks: %+v", answer)
		}
	}
	if asked.At.Owner == nil || *asked.At.Owner != 2 {
		t.Errorf("written on %v", asked.At.Owner)
	}
}

// Two standbys that are promoted at one position have the same history, and which
// bytes of timeline 2 they share cannot be told.
func TestTimelineOfAlikeTwins(t *testing.T) {
	ctx := t.Context()
	primary, a, b, flags := trio(t)
	must(t, primary.Stop(ctx, sandbox.Fast))
	must(t, a.Promote(ctx))
	must(t, b.Promote(ctx))
	fork := forkOf(t, a, 2)
	if other := forkOf(t, b, 2); other != fork {
		t.Fatalf("promoted at %s and %s", fork, other)
	}
	own := max(writes(t, a), writes(t, b), fork)
	writes(t, a)
	writes(t, b)
	got := seen(t, exitInconclusive, flags...)
	p := got.pair(t, a.Addr(), b.Addr())
	if p.Kin != "unknown" || p.Fork == nil || *p.Fork != fork || p.PastA != nil || got.Histories[0].Contested == nil {
		t.Errorf("pair %+v, histories %+v", p, got.Histories)
	}
	if text := pgrpo(t, append([]string{"timeline"}, flags...)...).stdout; !strings.Contains(text, "on one log below "+fork.String()+"; past it cannot be told") {
		t.Error("the text does not say what cannot be told")
	}
	asked := seen(t, exitInconclusive, append(flags, "--at=2/"+own.String())...)
	for _, answer := range asked.At.Nodes {
		if answer.Verdict != "unknown" {
			t.Errorf("on their timeline: %+v", answer)
		}
	}
	// The old primary, from its files, has nothing that they have not.
	old := seen(t, 0, "--data-dir="+primary.Dir(), flags[0])
	if p := old.pair(t, a.Addr(), primary.Dir()); p.Kin != "together" || *p.PastB != 0 || *p.Fork != fork {
		t.Errorf("the old primary: %+v", p)
	}
	if n := old.node(t, primary.Dir()); *n.State != "shut down" || *n.End != fork {
		t.Errorf("its log ends at %s, want %s: %+v", *n.End, fork, n)
	}
}

// What a role may not see is named and not guessed: without REPLICATION the history
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

// Answers that do not fit together are not taken for one server's: a promotion in
// between, or two servers behind one address. A standby that receives the next
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

// After a promotion pg_control names the old timeline until a checkpoint: the log is
// looked for on what followed, and not on branches that were left out before it.
func TestBranchesOfADeadServer(t *testing.T) {
	step := func(tl pg.Timeline, end pg.LSN) pg.Step { return pg.Step{Parent: tl, End: end} }
	d := statefile.Directory{
		Control: &statefile.Control{Timeline: 2, Checkpoint: 150},
		Timelines: []statefile.Timeline{
			{Timeline: 2, History: pg.History{step(1, 100)}},
			{Timeline: 3, History: pg.History{step(1, 100), step(2, 200)}},
			{Timeline: 4, History: pg.History{step(1, 100), step(2, 200), step(3, 300)}},
			{Timeline: 5, History: pg.History{step(1, 100), step(2, 140)}},
			{Timeline: 6, History: pg.History{step(1, 100)}},
		},
	}
	want := []ending{
		{timeline: 4, known: true, history: d.Timelines[2].History, from: 300},
		{timeline: 3, known: true, history: d.Timelines[1].History, from: 200},
		{timeline: 2, known: true, history: d.Timelines[0].History, from: 150},
	}
	if diff := cmp.Diff(want, branchesOf(d), cmp.AllowUnexported(ending{})); diff != "" {
		t.Errorf("where the log may end (-want +got):\n%s", diff)
	}
	d.Timelines = nil
	if got := branchesOf(d); len(got) != 1 || got[0].known || got[0].timeline != 2 {
		t.Errorf("without files of histories: %+v", got)
	}
}

// Files of which the WAL is gone still tell the node, but not its end; without a
// whole pg_control there is nothing to tell.
func TestTimelineOfDamagedFiles(t *testing.T) {
	dir := recordedSlots(t)
	got := seen(t, exitInconclusive, "--data-dir="+dir)
	if n := got.Nodes[0]; n.Role != "down" || n.End != nil || n.System == nil || !strings.Contains(strings.Join(n.Unseen, " "), "the end of its WAL") {
		t.Errorf("without WAL: %+v", n)
	}
	control := filepath.Join(dir, "global", "pg_control")
	content, err := os.ReadFile(control)
	must(t, err)
	content[100]++
	must(t, os.WriteFile(control, content, 0o600))
	for _, args := range [][]string{{"--data-dir=" + dir}, {"--data-dir=" + dir + "/pg_replslot"}, {"--data-dir=" + dir + "/none"}} {
		r := pgrpo(t, append([]string{"timeline"}, args...)...)
		if r.status != exitRefused || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v: status %d", args, r.status)
		}
	}
}
