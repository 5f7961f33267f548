package wal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/wal"
)

// killed is the log of a server that was killed: its directory, and where each of
// some commits begins.
type killed struct {
	dir     string
	from    pg.LSN
	commits []wal.Commit
	end     wal.End
}

func killServer(t *testing.T) killed {
	t.Helper()
	v := sandboxtest.Primary(t)
	check(t, v.Exec(t.Context(), "create table t (a text)"))
	check(t, v.Exec(t.Context(), "select pg_switch_wal()"))
	from, err := pg.ParseLSN(ask(t, v, "select pg_current_wal_lsn()"))
	check(t, err)
	for range 30 {
		check(t, v.Exec(t.Context(), "insert into t values (repeat('x', 1000))"))
	}
	check(t, v.Kill())
	k := killed{dir: filepath.Join(v.Dir(), "pg_wal"), from: from}
	k.commits, k.end, err = read(k.dir, 1, from)
	check(t, err)
	if len(k.commits) < 30 {
		t.Fatalf("%d commits, the log ends at %s: %s", len(k.commits), k.end.At, k.end.Why)
	}
	return k
}

func read(dir string, tl pg.Timeline, from pg.LSN) (all []wal.Commit, end wal.End, err error) {
	log, err := wal.Open(dir, tl, from, segmentBytes)
	if err != nil {
		return nil, end, err
	}
	for c, err := range log.Commits(from, &end) {
		if err != nil {
			return all, end, err
		}
		all = append(all, c)
	}
	return all, end, nil
}

// changed is a copy of the segment at from, alone in a directory, after a change.
func (k killed) changed(t *testing.T, name string, change func(segment []byte)) string {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join(k.dir, pg.SegmentName(1, k.from, segmentBytes)))
	check(t, err)
	change(b)
	check(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	return dir
}

// Wherever the log is damaged, it ends before the damage and not earlier.
func TestDamage(t *testing.T) {
	k := killServer(t)
	whole := pg.SegmentName(1, k.from, segmentBytes)
	tenth := k.commits[10]
	at := int(tenth.Start % segmentBytes)
	for name, change := range map[string]func([]byte){
		"a bit of the header":   func(b []byte) { b[at+4] ^= 1 },
		"a bit of the checksum": func(b []byte) { b[at+20] ^= 1 },
		"a bit of the content":  func(b []byte) { b[at+28] ^= 0x80 },
		"its length":            func(b []byte) { b[at+3] = 0xff },
		"all from there":        func(b []byte) { clear(b[at:]) },
	} {
		t.Run(name, func(t *testing.T) {
			commits, end, err := read(k.changed(t, whole, change), 1, k.from)
			check(t, err)
			if len(commits) != 10 || end.At != tenth.Start || end.Why == "" {
				t.Errorf("%d commits, end %+v, want 10 and the end at %s", len(commits), end, tenth.Start)
			}
		})
	}
	page := (at/wal.PageBytes + 1) * wal.PageBytes
	t.Run("a page of another time", func(t *testing.T) {
		commits, end, err := read(k.changed(t, whole, func(b []byte) { b[page+8]++ }), 1, k.from)
		check(t, err)
		if len(commits) < 10 || len(commits) >= len(k.commits) || end.At > k.from-k.from%segmentBytes+pg.LSN(page) {
			t.Errorf("%d commits, end %+v", len(commits), end)
		}
	})
	t.Run("a record longer than it was", func(t *testing.T) {
		// The last one: what would be its rest was never written.
		last := k.commits[len(k.commits)-1]
		commits, end, err := read(k.changed(t, whole, func(b []byte) { b[last.Start%segmentBytes+1]++ }), 1, k.from)
		check(t, err)
		if len(commits) != len(k.commits)-1 || end.At != last.Start {
			t.Errorf("%d commits, end %+v", len(commits), end)
		}
	})
	t.Run("as it was archived", func(t *testing.T) {
		commits, _, err := read(k.changed(t, whole+".partial", func([]byte) {}), 1, k.from)
		if err != nil || len(commits) != len(k.commits) {
			t.Errorf("%d commits, %v", len(commits), err)
		}
	})
}

// Reading may begin at any position: the first record at or past it comes first.
func TestBeginsAnywhere(t *testing.T) {
	k := killServer(t)
	for i, c := range k.commits[:29] {
		for _, from := range []pg.LSN{c.Start, c.Start - 8, c.Start + 8, c.Start - c.Start%wal.PageBytes} {
			got, _, err := read(k.dir, 1, from)
			check(t, err)
			first := 0
			for first < len(k.commits) && k.commits[first].Start < from {
				first++
			}
			if len(got) != len(k.commits)-first || got[0] != k.commits[first] {
				t.Errorf("from %s, near commit %d: %d commits, the first %+v", from, i, len(got), got[0])
			}
		}
	}
	if _, end, err := read(k.dir, 1, k.end.At+100*wal.PageBytes); err != nil || end.At < k.end.At || end.Why == "" {
		t.Errorf("past the end: %+v, %v", end, err)
	}
}

// What is not there, or of another kind, is an error and never an empty log.
func TestNotThere(t *testing.T) {
	k := killServer(t)
	whole := pg.SegmentName(1, k.from, segmentBytes)
	for name, c := range map[string]struct {
		dir  string
		tl   pg.Timeline
		from pg.LSN
		want error
	}{
		"no segment":     {t.TempDir(), 1, k.from, wal.ErrGone},
		"no timeline":    {k.dir, 2, k.from, wal.ErrGone},
		"removed":        {k.dir, 1, 8, wal.ErrGone},
		"another magic":  {k.changed(t, whole, func(b []byte) { b[0]++ }), 1, k.from, wal.ErrUnknown},
		"no long header": {k.changed(t, whole, func(b []byte) { b[2] &^= 2 }), 1, k.from, wal.ErrUnknown},
		"other segments": {k.changed(t, whole, func(b []byte) { b[35]++ }), 1, k.from, wal.ErrUnknown},
		"empty":          {k.changed(t, whole, func(b []byte) { clear(b) }), 1, k.from, wal.ErrUnknown},
	} {
		if commits, end, err := read(c.dir, c.tl, c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: %d commits, %+v, %v; want %v", name, len(commits), end, err, c.want)
		}
	}
}

// No content of a segment makes the reader fail otherwise than by an error.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{}, uint16(0), uint64(40))
	f.Fuzz(func(t *testing.T, patch []byte, at uint16, from uint64) {
		b := segment()
		copy(b[min(int(at), len(b)):], patch)
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, pg.SegmentName(1, 0, 1<<20)), b, 0o600))
		log, err := wal.Open(dir, 1, 0, 1<<20)
		if err != nil {
			return
		}
		var end wal.End
		for range log.Commits(pg.LSN(from%(1<<20)), &end) {
		}
	})
}

// segment is an empty segment of 1 MB with a good header.
func segment() []byte {
	b := make([]byte, 1<<20)
	copy(b, []byte{0x10, 0xD1, 2, 0, 1})
	b[34], b[37] = 0x10, 0x20
	return b
}
