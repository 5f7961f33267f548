package gather_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/explain/gather"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// life is the life of one attempt, told from all that is there.
func life(t *testing.T, s *gather.Source, id txn.ID) explain.Life {
	t.Helper()
	found, err := s.Attempt(id.Worker, id.Seq)
	check(t, err)
	lives, err := s.Lives(t.Context(), found)
	check(t, err)
	if len(lives) != 1 || lives[0].Worker != id.Worker || lives[0].Seq != id.Seq {
		t.Fatalf("lives of %s: %+v", id, lives)
	}
	var text strings.Builder
	check(t, lives[0].Text(&text))
	t.Log("\n" + text.String())
	return lives[0]
}

// says holds a life's sentence against words that must be in it.
func says(t *testing.T, l explain.Life, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(l.Sentence, w) {
			t.Errorf("%q does not say %q", l.Sentence, w)
		}
	}
}

// The life of a commit that was lost, of one that was kept, of one in doubt and of
// one that consumers saw and nobody has, on real servers. Plain SQL, the standby's
// own history and the dead primary's WAL say the same.
func TestLives(t *testing.T) {
	l := play(t)
	fork := l.fork(t)
	e := l.reopen(t, l.config)
	s := source(t, e, l.directory(t))
	standby := l.cluster.Standby
	inspector := inspectable(t, standby)

	t.Run("lost, and consumers saw it", func(t *testing.T) {
		id := l.one(t, "lost and captured", func(id txn.ID, _ txn.Entry) bool {
			_, lost := l.lost[id]
			return lost && len(l.commits[id]) == 1
		})
		c := l.commits[id][0]
		got := life(t, s, id)
		says(t, got, "was acknowledged by "+l.cluster.Primary.Addr()+" on timeline 1 at", "past the fork "+fork.String()+" to timeline 2",
			"it was lost with the old primary", "consumers of the stream saw it")
		if got.Outcome != "acked" || len(got.Captured) != 1 || got.Captured[0].LSN != c.LSN || len(got.Planned) != int(c.Ops) {
			t.Errorf("told %+v, captured %+v", got, c)
		}
		if classes := fmt.Sprint(got.Findings); !strings.Contains(classes, "lost_transaction") || !strings.Contains(classes, "captured_lost") {
			t.Errorf("findings %s", classes)
		}
		if markerOn(t, standby, id) {
			t.Error("the survivor has it")
		}
		r := got.Records[0]
		if !r.Exact || len(r.Forks) != 1 || *r.Forks[0].LSN != fork || r.Forks[0].Side != explain.Past || *r.Forks[0].Bytes != uint64(c.LSN-fork) {
			t.Errorf("record %+v, forks %+v, the fork is %s", r, r.Forks, fork)
		}
		if r.Seen == nil || r.Seen.Start != c.LSN || r.Seen.End != c.End || r.Seen.Xid != c.Xid {
			t.Errorf("in the WAL of the dead primary: %+v, the stream had %s to %s, xid %d", r.Seen, c.LSN, c.End, c.Xid)
		}
		if *r.Offset != uint64(c.LSN)%(16<<20) || !strings.HasPrefix(*r.Segment, "00000001") {
			t.Errorf("file %s, offset %d", *r.Segment, *r.Offset)
		}
		waldump(t, r.Waldump, c)
		if len(got.Nodes) != 2 || got.Nodes[0].Role+got.Nodes[1].Role != "primaryunreachable" && got.Nodes[0].Role+got.Nodes[1].Role != "unreachableprimary" {
			t.Errorf("nodes %+v", got.Nodes)
		}
	})

	t.Run("kept", func(t *testing.T) {
		id := l.one(t, "acked on the old primary, captured and kept", func(id txn.ID, e txn.Entry) bool {
			_, lost := l.lost[id]
			return e.Outcome == txn.Acked && !lost && len(l.commits[id]) == 1 && l.commits[id][0].Branch == 1
		})
		got := life(t, s, id)
		says(t, got, "was acknowledged by "+l.cluster.Primary.Addr(), "before the fork "+fork.String(), "it is kept on "+standby.Addr())
		waldump(t, got.Records[0].Waldump, l.commits[id][0])
		if r, c := life(t, source(t, e, nil), id).Records[0], l.commits[id][0]; inspector {
			if r.Seen == nil || r.Seen.Source != "pg_walinspect on "+standby.Addr() || r.Seen.Start != c.LSN || r.Seen.End != c.End || r.Seen.Text == "" {
				t.Errorf("seen %+v, the stream had %s to %s", r.Seen, c.LSN, c.End)
			}
		}
		if !markerOn(t, standby, id) || l.commits[id][0].LSN >= fork || got.Records[0].Forks[0].Side != explain.Before {
			t.Errorf("record %+v", got.Records[0])
		}
	})

	t.Run("kept on the survivor's own timeline", func(t *testing.T) {
		id := l.one(t, "acked on the new primary", func(id txn.ID, e txn.Entry) bool {
			return e.Outcome == txn.Acked && len(l.commits[id]) == 1 && l.commits[id][0].Branch == 2
		})
		says(t, life(t, s, id), "was acknowledged by "+standby.Addr()+" on timeline 2", "on the survivor's own timeline 2", "it is kept on "+standby.Addr())
	})

	t.Run("kept, and the stream did not show it", func(t *testing.T) {
		// The slot of 15 is not on the new primary: what came before it was made
		// again is in a gap. There is an attempt after each, so that each has an
		// upper bound.
		last := map[txn.Worker]txn.Seq{}
		for id := range l.entries {
			last[id.Worker] = max(last[id.Worker], id.Seq)
		}
		id := l.one(t, "acked on the new primary in the gap", func(id txn.ID, e txn.Entry) bool {
			return e.Outcome == txn.Acked && len(l.commits[id]) == 0 && id.Seq < last[id.Worker]-10
		})
		got := life(t, s, id)
		r, told := got.Records[0], l.entries[id]
		if !strings.Contains(*got.Uncaptured, "capture has a gap from") || r.Exact != inspector || r.End == nil || *r.End <= r.LSN || r.LSN < told.LSN {
			t.Errorf("not captured: %s; record %+v", *got.Uncaptured, r)
		}
		if !inspector {
			return
		}
		if r.Seen == nil || r.Seen.Start != r.LSN || r.Seen.End != *r.End || r.Seen.Xid != told.Xid {
			t.Fatalf("the server has its record at %+v, told are %s to %s", r.Seen, r.LSN, r.End)
		}
		if ids, err := s.LSN(r.Seen.Start); err != nil || !slices.Contains(ids, id) {
			t.Errorf("at %s: %v, %v", r.Seen.Start, ids, err)
		}
	})

	t.Run("in doubt", func(t *testing.T) {
		id := l.one(t, "in doubt", func(_ txn.ID, e txn.Entry) bool { return e.Outcome == txn.InDoubt })
		got := life(t, s, id)
		fate := "it turned out rolled back"
		if markerOn(t, standby, id) {
			fate = "it turned out committed"
		}
		says(t, got, "is in doubt", fate)
		if got.Outcome != "in_doubt" || len(got.Planned) == 0 {
			t.Errorf("told %+v", got)
		}
	})

	t.Run("by xid and by LSN", func(t *testing.T) {
		// A lost transaction's id and position are used again on the new timeline.
		byXid := map[pg.Xid][]txn.ID{}
		for id, e := range l.entries {
			byXid[e.Xid] = append(byXid[e.Xid], id)
		}
		twice := 0
		for id := range l.lost {
			for _, c := range l.commits[id] {
				got, err := s.LSN(c.LSN)
				if err != nil || !slices.Contains(got, id) {
					t.Fatalf("at %s: %v, %v, want %v among them", c.LSN, got, err, id)
				}
				if len(byXid[c.Xid]) < 2 {
					continue
				}
				twice++
				ids, err := s.Xid(c.Xid)
				if err != nil || len(ids) != len(byXid[c.Xid]) {
					t.Fatalf("xid %d: %v, %v, want %v", c.Xid, ids, err, byXid[c.Xid])
				}
				lives, err := s.Lives(t.Context(), ids)
				check(t, err)
				branches := map[pg.BranchID]bool{}
				for _, l := range lives {
					branches[*l.Server.Branch] = true
				}
				if len(branches) != 2 {
					t.Errorf("xid %d: not on both branches: %+v", c.Xid, lives)
				}
			}
			if twice > 0 {
				break
			}
		}
		if twice == 0 {
			t.Error("no transaction id of a lost attempt was used again")
		}
	})

	t.Run("nothing of the kind", func(t *testing.T) {
		for name, find := range map[string]func() ([]txn.ID, error){
			"worker": func() ([]txn.ID, error) { return s.Attempt(99, 1) },
			"seq":    func() ([]txn.ID, error) { return s.Attempt(0, 1<<40) },
			"xid":    func() ([]txn.ID, error) { return s.Xid(4_000_000_000) },
			"lsn":    func() ([]txn.ID, error) { return s.LSN(8) },
		} {
			if ids, err := find(); trouble.Of(err) != trouble.Refused {
				t.Errorf("%s: %v, %v", name, ids, err)
			}
		}
	})
}

// With the cluster gone, the repo alone tells what it can, and what it cannot.
func TestLivesOfAClusterThatIsGone(t *testing.T) {
	l := play(t)
	id := l.one(t, "lost and captured", func(id txn.ID, _ txn.Entry) bool {
		_, lost := l.lost[id]
		return lost && len(l.commits[id]) == 1
	})
	c := l.config
	c.Primary = node.Target{}
	got := life(t, source(t, l.reopen(t, c), nil), id)
	says(t, got, "was acknowledged by "+l.cluster.Primary.Addr(), "past the fork "+l.fork(t).String(),
		"the last judgement found it lost, and no survivor could be asked now", "consumers of the stream saw it")
	unseen := strings.Join(got.Unseen, "\n")
	if len(got.Nodes) != 0 || got.Records[0].Segment != nil || !strings.Contains(unseen, "the survivor: no node was asked") ||
		!strings.Contains(unseen, "the names of WAL files") {
		t.Errorf("nodes %v, segment %v, not seen: %s", got.Nodes, got.Records[0].Segment, unseen)
	}
}

// inspectable makes the server's own reader of its WAL, where there is one.
func inspectable(t *testing.T, v *sandbox.Server) bool {
	t.Helper()
	there, err := v.Value(t.Context(), "select count(*) from pg_available_extensions where name = 'pg_walinspect'")
	check(t, err)
	if there != "0" {
		check(t, v.Exec(t.Context(), "create schema odd; create extension pg_walinspect schema odd"))
	}
	return there != "0"
}

// waldump runs the command that is named, where there is such a program for the
// servers' version, and holds what it prints against the commit.
func waldump(t *testing.T, command string, c txn.Commit) {
	t.Helper()
	b, err := sandboxtest.Binaries(t.Context())
	check(t, err)
	program := filepath.Join(b.Dir, "pg_waldump")
	if _, err := os.Stat(program); err != nil {
		t.Logf("%s has no pg_waldump; the WAL was read by pgrpo alone", b.Dir)
		return
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", filepath.Dir(program)+"/"+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	want := fmt.Sprintf("lsn: %X/%08X", uint32(c.LSN>>32), uint32(c.LSN))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], want) || !strings.Contains(lines[0], fmt.Sprintf("tx: %10d,", c.Xid)) || !strings.Contains(lines[0], "desc: COMMIT") {
		t.Errorf("%s printed\n%swant the COMMIT of xid %d at %s", command, out, c.Xid, want)
	}
}
