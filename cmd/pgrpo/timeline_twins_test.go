package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
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

// writesPast makes servers write until the logs of all go past a position.
func writesPast(t *testing.T, at pg.LSN, servers ...*sandbox.Server) {
	t.Helper()
	for _, v := range servers {
		for flushed(t, v) <= at {
			writes(t, v)
		}
	}
}

// Two standbys that are promoted at different positions have the same timeline number,
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
	writesPast(t, own, a, b)
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

// Of two standbys that are promoted at one position the histories are equal: how many
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
	writesPast(t, own, a, b)
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

// The history of a server that was recovered to a time names no position but a time: the
// first commit that it left out is read from there.
func TestTimelineOfARecoveryToATime(t *testing.T) {
	ctx := t.Context()
	primary, a, _, flags := trio(t)
	target, err := primary.Value(ctx, "select clock_timestamp()")
	must(t, err)
	for name, value := range map[string]string{"recovery_target_time": target, "recovery_target_action": "promote"} {
		must(t, a.Set(ctx, name, value))
	}
	must(t, a.Stop(ctx, sandbox.Fast))
	left := writes(t, primary)
	must(t, a.Start(ctx))
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		standby, err := a.InRecovery(ctx)
		must(t, err)
		if !standby {
			break
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatal("it did not end its recovery")
		}
	}
	got := seen(t, 0, flags...)
	f := got.node(t, a.Addr()).History[0]
	after, err := time.Parse("2006-01-02 15:04:05.999999-07", target)
	must(t, err)
	if f.Time == nil || f.Time.Before(after) || f.Time.After(time.Now()) || !strings.HasPrefix(f.Reason, "before 20") {
		t.Errorf("fork %+v, told to stop at %s", f, target)
	}
	if f.At <= left {
		t.Errorf("left at %s, before what it was to keep up to %s", f.At, left)
	}
}
