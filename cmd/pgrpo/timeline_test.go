package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lsnOf asks a server for a position.
func lsnOf(t *testing.T, v *sandbox.Server, sql string) pg.LSN {
	t.Helper()
	text, err := v.Value(t.Context(), sql)
	must(t, err)
	at, err := pg.ParseLSN(text)
	must(t, err)
	return at
}

func flushed(t *testing.T, v *sandbox.Server) pg.LSN {
	t.Helper()
	return lsnOf(t, v, "select pg_current_wal_flush_lsn()")
}

// writes makes a server write and returns a position of that.
func writes(t *testing.T, v *sandbox.Server) pg.LSN {
	t.Helper()
	at := lsnOf(t, v, "select pg_current_wal_insert_lsn()")
	must(t, v.Exec(t.Context(), "select pg_logical_emit_message(true, 'test', repeat('x', 5000))"))
	return at
}

// seen runs pgrpo timeline, and reads what it printed.
func seen(t *testing.T, status int, args ...string) sightJSON {
	t.Helper()
	r := pgrpo(t, append([]string{"timeline", "--report=json"}, args...)...)
	if r.status != status || strings.Count(r.stderr, "\n") != min(status, 1) {
		t.Errorf("status %d, want %d and a line of error only if it is not 0", r.status, status)
	}
	var got sightJSON
	must(t, json.Unmarshal([]byte(r.stdout), &got))
	return got
}

func (s sightJSON) node(t *testing.T, name string) nodeJSON {
	t.Helper()
	for _, n := range s.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node %s in %+v", name, s.Nodes)
	return nodeJSON{}
}

func (s sightJSON) pair(t *testing.T, a, b string) pairJSON {
	t.Helper()
	for _, p := range s.Pairs {
		if p.A == a && p.B == b {
			return p
		}
	}
	t.Fatalf("no pair of %s and %s in %+v", a, b, s.Pairs)
	return pairJSON{}
}

// forkOf is the switchpoint in the server's own file of a timeline.
func forkOf(t *testing.T, v *sandbox.Server, tl pg.Timeline) pg.LSN {
	t.Helper()
	text, err := v.Value(t.Context(), fmt.Sprintf("select pg_read_file('pg_wal/%08X.history')", uint32(tl)))
	must(t, err)
	h, err := pg.ParseHistory(text)
	must(t, err)
	return h[len(h)-1].End
}

// has asks for a position and returns the answer of each node, by name.
func has(t *testing.T, tl pg.Timeline, at pg.LSN, args ...string) map[string]answerJSON {
	t.Helper()
	got := seen(t, 0, append(args, fmt.Sprintf("--at=%d/%s", tl, at))...)
	answers := map[string]answerJSON{}
	for _, a := range got.At.Nodes {
		answers[a.Node] = a
	}
	return answers
}

// streamsFrom asks the server itself whether a position is in its history: it
// refuses to stream from one that is not.
func streamsFrom(t *testing.T, v *sandbox.Server, tl pg.Timeline, at pg.LSN) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	target, err := node.Parse(v.DSN("postgres"))
	must(t, err)
	conn, err := node.ConnectReplication(ctx, target, "timeline test")
	must(t, err)
	defer node.Close(conn)
	conn.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION PHYSICAL %s TIMELINE %d", at, tl)})
	must(t, conn.Frontend().Flush())
	for {
		message, err := conn.ReceiveMessage(ctx)
		must(t, err)
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return true
		case *pgproto3.ErrorResponse:
			t.Logf("stream from %d/%s: %s %s", tl, at, m.Message, m.Detail)
			return false
		}
	}
}

func checkFork(t *testing.T, p pairJSON, fork pg.LSN) {
	t.Helper()
	if p.Kin != "forked" || p.Fork == nil || *p.Fork != fork || p.PastA == nil || p.PastB == nil {
		t.Errorf("pair %+v, want a fork at %s", p, fork)
	}
}

// A primary and its standby, a failover that leaves the old primary alive and then
// dead, and a second failover: every node's word against the servers' own.
func TestTimeline(t *testing.T) {
	ctx := t.Context()
	box := sandboxOf(t)
	a, err := box.Primary(ctx, "a", nil)
	must(t, err)
	b, err := box.Standby(ctx, "b", a, "")
	must(t, err)
	must(t, b.WaitStreaming(ctx, a))
	early := writes(t, a)
	must(t, b.WaitReplayed(ctx, a))
	dsns := []string{"--primary-pgdsn=" + a.DSN("postgres"), "--standby-pgdsn=" + b.DSN("postgres")}

	t.Run("a primary and its standby", func(t *testing.T) {
		before := flushed(t, a)
		got := seen(t, 0, dsns...)
		after := flushed(t, a)
		first, second := got.node(t, a.Addr()), got.node(t, b.Addr())
		if first.Role != "primary" || *first.Timeline != 1 || len(first.History) != 0 || first.History == nil || *first.Flush < before || *first.Flush > after || first.Receive != nil {
			t.Errorf("primary %+v", first)
		}
		if second.Role != "standby" || *second.Timeline != 1 || second.Insert != nil || second.Receive == nil || *second.Replay < early || *second.System != *first.System {
			t.Errorf("standby %+v", second)
		}
		system, err := a.Value(ctx, "select system_identifier from pg_control_system()")
		must(t, err)
		file, err := a.Value(ctx, fmt.Sprintf("select pg_walfile_name('%s')", *first.End))
		must(t, err)
		if *first.System != system || *first.Segment != file {
			t.Errorf("system %s, file %s; the server says %s and %s", *first.System, *first.Segment, system, file)
		}
		if p := got.pair(t, a.Addr(), b.Addr()); p.Kin != "together" || p.Fork != nil || *p.PastB != 0 || *p.PastA != uint64(*first.End-*second.End) {
			t.Errorf("pair %+v", p)
		}
		if len(got.Histories) != 1 || len(got.Histories[0].Nodes) != 2 {
			t.Errorf("histories %+v", got.Histories)
		}
	})

	must(t, b.Promote(ctx))
	kept, lost := early, writes(t, a)
	fork := forkOf(t, b, 2)
	lost = max(lost, fork)
	new := max(writes(t, b), fork)

	t.Run("the old primary goes on beside", func(t *testing.T) {
		beforeA, beforeB := flushed(t, a), flushed(t, b)
		got := seen(t, 0, dsns...)
		p := got.pair(t, a.Addr(), b.Addr())
		checkFork(t, p, fork)
		if *p.PastA < uint64(beforeA-fork) || *p.PastA > uint64(flushed(t, a)-fork) || *p.PastB < uint64(beforeB-fork) || *p.PastB > uint64(flushed(t, b)-fork) {
			t.Errorf("past the fork: %d and %d bytes", *p.PastA, *p.PastB)
		}
		f := got.node(t, b.Addr()).History[0]
		if f.At != fork || f.Parent != 1 || f.Timeline != 2 || f.Reason != "no recovery target specified" {
			t.Errorf("fork %+v", f)
		}
		for _, file := range []string{a.Dir() + "/pg_wal/" + *f.Last, b.Dir() + "/pg_wal/" + *f.First} {
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
		text := pgrpo(t, append([]string{"timeline"}, dsns...)...).stdout
		for _, want := range []string{"forked at " + fork.String(), "1 to 2", *f.Last, *f.First, fmt.Sprintf("1, left at %s; 2: %s", fork, b.Addr())} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in the text", want)
			}
		}
	})

	t.Run("whether a position is in a history", func(t *testing.T) {
		for _, test := range []struct {
			tl         pg.Timeline
			at         pg.LSN
			onA, onB   string
			afterForkB bool
		}{{1, kept, "yes", "yes", false}, {1, fork - 1, "yes", "yes", false}, {1, fork, "yes", "no", true}, {1, lost, "yes", "no", true},
			{2, new, "no", "yes", false}, {2, kept, "yes", "yes", false}} {
			got := has(t, test.tl, test.at, dsns...)
			if got[a.Addr()].Verdict != test.onA || got[b.Addr()].Verdict != test.onB {
				t.Errorf("%d/%s: %+v", test.tl, test.at, got)
			}
			if f := got[b.Addr()].Fork; test.afterForkB && (f == nil || *f != fork) {
				t.Errorf("%d/%s: lost past %v, want %s", test.tl, test.at, f, fork)
			}
		}
		if !streamsFrom(t, b, 1, kept) || streamsFrom(t, b, 1, lost+1) {
			t.Error("the server says otherwise")
		}
		r := pgrpo(t, append(dsns, "timeline", "--at=7/0/3000060")...)
		if r.status != exitRefused || r.stdout != "" || !strings.Contains(r.stderr, "no node knows timeline 7; they are on 1, 2") {
			t.Errorf("status %d for a timeline that nobody knows", r.status)
		}
	})

	end := flushed(t, a)
	must(t, a.Kill())
	down := []string{"--primary-pgdsn=" + b.DSN("postgres"), "--data-dir=" + a.Dir()}

	t.Run("the old primary is dead", func(t *testing.T) {
		got := seen(t, 0, down...)
		n := got.node(t, a.Dir())
		if n.Role != "down" || *n.Timeline != 1 || n.End == nil || *n.End < end || *n.End > end+16<<20 || *n.State != "in production" || n.Flush != nil {
			t.Errorf("from its files, with an end past %s: %+v", end, n)
		}
		checkFork(t, got.pair(t, b.Addr(), a.Dir()), fork)
		answers := has(t, 1, lost, down...)
		if answers[a.Dir()].Verdict != "yes" || answers[b.Addr()].Verdict != "no" {
			t.Errorf("lost: %+v", answers)
		}
		alone := seen(t, 0, "--data-dir="+a.Dir())
		if len(alone.Nodes) != 1 || *alone.Nodes[0].End != *n.End {
			t.Errorf("alone: %+v", alone.Nodes)
		}
		// The node is named where it does not answer.
		r := pgrpo(t, append([]string{"timeline"}, dsns...)...)
		if r.status != exitInconclusive || strings.Count(r.stderr, a.Addr()) == 0 || !strings.Contains(r.stdout, "unreachable") {
			t.Errorf("status %d with a dead primary", r.status)
		}
	})

	c, err := box.Standby(ctx, "c", b, "")
	must(t, err)
	must(t, c.WaitStreaming(ctx, b))
	must(t, c.WaitReplayed(ctx, b))
	must(t, c.Promote(ctx))
	second := forkOf(t, c, 3)
	lostLater := max(writes(t, b), second)
	writes(t, c)

	t.Run("two failovers", func(t *testing.T) {
		all := append(down, "--standby-pgdsn="+c.DSN("postgres"))
		got := seen(t, 0, all...)
		checkFork(t, got.pair(t, b.Addr(), c.Addr()), second)
		checkFork(t, got.pair(t, c.Addr(), a.Dir()), fork)
		if h := got.node(t, c.Addr()).History; len(h) != 2 || h[0].At != fork || h[1].At != second || h[1].Timeline != 3 {
			t.Errorf("history %+v", h)
		}
		if got := has(t, 2, lostLater, all...); got[a.Dir()].Verdict != "no" || *got[a.Dir()].Fork != fork || got[b.Addr()].Verdict != "yes" || *got[c.Addr()].Fork != second {
			t.Errorf("lost in the second failover: %+v", got)
		}
		must(t, c.Kill())
		dead := seen(t, 0, "--data-dir="+c.Dir(), "--data-dir="+a.Dir())
		if n := dead.node(t, c.Dir()); *n.Timeline != 3 || len(n.History) != 2 || *n.End < second {
			t.Errorf("the files of the last primary: %+v", n)
		}
	})
}
