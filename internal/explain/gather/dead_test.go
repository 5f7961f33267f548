package gather_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/explain/gather"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What the dead primary's WAL has past the fork is what the report calls lost, and
// what the dead primary, started alone, has and the survivor has not.
func TestDeadPrimary(t *testing.T) {
	l := play(t)
	fork := l.fork(t)
	e := l.reopen(t, l.config)
	before := listing(t, l.cluster.Primary.Dir())
	s := source(t, e, l.directory(t))
	dead, err := s.Dead(t.Context(), 0)
	check(t, err)
	var text strings.Builder
	check(t, dead.Text(&text))
	t.Log("\n" + text.String())

	if after := listing(t, l.cluster.Primary.Dir()); after != before {
		t.Errorf("the data directory was changed:\n%s\nwas\n%s", after, before)
	}
	if !dead.Equal() || dead.Fork != fork || dead.Timeline != 1 || dead.Acked() != len(l.lost) || dead.Acked() != int(l.report.RPO.Transactions) || dead.Elsewhere != 0 {
		t.Errorf("%d acked, %d lost; %s", dead.Acked(), len(l.lost), dead.Sentence())
	}
	if dead.Commits != len(dead.Attempts)+dead.Others || dead.EndWhy == "" {
		t.Errorf("%+v", dead)
	}
	for _, a := range dead.Attempts {
		id := txn.ID{Run: l.run, Worker: a.Worker, Seq: a.Seq}
		if _, lost := l.lost[id]; lost != explain.IsAck(a.Outcome) {
			t.Errorf("%s: %s, lost by the report: %t", id, a.Outcome, lost)
		}
		if all := l.commits[id]; a.Captured != (len(all) > 0) || a.Captured && (all[0].LSN != a.LSN || all[0].End != a.End) {
			t.Errorf("%s at %s to %s, captured %t: the stream had %+v", id, a.LSN, a.End, a.Captured, all)
		}
	}

	t.Run("without the survivor, from a position", func(t *testing.T) {
		earlier, err := s.Dead(t.Context(), fork-0x4000)
		check(t, err)
		if earlier.Equal() || len(earlier.OnlyReport) != 0 || len(earlier.OnlyWAL) != earlier.Acked()-dead.Acked() || len(earlier.OnlyWAL) == 0 {
			t.Errorf("from below the fork: %s", earlier.Sentence())
		}
		later, err := s.Dead(t.Context(), dead.Attempts[0].LSN+1)
		check(t, err)
		if later.Equal() || len(later.OnlyWAL) != 0 || len(later.OnlyReport) != 1 || later.OnlyReport[0] != dead.Attempts[0].Name {
			t.Errorf("from past the first lost commit: %s: %v", later.Sentence(), later.OnlyReport)
		}
	})

	t.Run("a log that is cut", func(t *testing.T) {
		half := dead.Attempts[len(dead.Attempts)/2]
		d, err := gather.OpenDirectory(cut(t, l.cluster.Primary.Dir(), half.LSN))
		check(t, err)
		got, err := source(t, e, d).Dead(t.Context(), 0)
		check(t, err)
		left := len(dead.Attempts) / 2
		if got.Equal() || len(got.Attempts) != left || len(got.OnlyWAL) != 0 || len(got.OnlyReport) != len(l.lost)-got.Acked() ||
			got.End != half.LSN || got.EndWhy == "" {
			t.Errorf("%d attempts, want %d, the end at %s, want %s (%s); %s", len(got.Attempts), left, got.End, half.LSN, got.EndWhy, got.Sentence())
		}
	})

	t.Run("the survivor's own directory", func(t *testing.T) {
		d, err := gather.OpenDirectory(l.cluster.Standby.Dir())
		check(t, err)
		if _, err := source(t, e, d).Dead(t.Context(), 0); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "own timeline 2") {
			t.Error(err)
		}
	})

	// Last, since it writes: the dead primary itself says what it had.
	check(t, l.cluster.Primary.StartAlone(t.Context()))
	for _, a := range dead.Attempts {
		id := txn.ID{Run: l.run, Worker: a.Worker, Seq: a.Seq}
		if !markerOn(t, l.cluster.Primary, id) || markerOn(t, l.cluster.Standby, id) {
			t.Errorf("%s is not on the dead primary alone", id)
		}
	}
}

// Without the survivor, the last judgement says where it left; without that, nobody.
func TestDeadPrimaryOfAClusterThatIsGone(t *testing.T) {
	l := play(t)
	c := l.config
	c.Primary = node.Target{}
	dead, err := source(t, l.reopen(t, c), l.directory(t)).Dead(t.Context(), 0)
	check(t, err)
	if !dead.Equal() || dead.Fork != l.fork(t) {
		t.Error(dead.Sentence())
	}
}

// listing tells names, sizes and times of all files.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	check(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		all = append(all, fmt.Sprintln(path, info.Size(), info.ModTime().UnixNano(), info.Mode()))
		return err
	}))
	slices.Sort(all)
	return strings.Join(all, "")
}

// cut copies what of a data directory is read, and empties its WAL from a position
// on.
func cut(t *testing.T, dir string, at pg.LSN) string {
	t.Helper()
	to := t.TempDir()
	for _, sub := range []string{"global", "pg_wal", "pg_replslot"} {
		check(t, os.Mkdir(filepath.Join(to, sub), 0o700))
	}
	files := []string{"PG_VERSION", "global/pg_control"}
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0*"))
	check(t, err)
	for _, s := range segments {
		files = append(files, filepath.Join("pg_wal", filepath.Base(s)))
	}
	whole := pg.SegmentName(1, at, 16<<20)
	for _, name := range files {
		body, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		if filepath.Base(name) == whole {
			clear(body[at%(16<<20):])
		}
		check(t, os.WriteFile(filepath.Join(to, name), body, 0o600))
	}
	return to
}
