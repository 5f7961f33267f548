package source

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// everything is what can be read of the evidence, in words that can be compared.
func everything(s compare.Streams, workers []txn.Worker, p compare.Payload) map[string]any {
	all := map[string]any{}
	put := func(name string, w txn.Worker, v any, broken string) {
		all[fmt.Sprint(name, " ", w)] = []any{v, broken}
	}
	for _, w := range workers {
		e, broken := readAll(s.Entries(w))
		put("entries", w, e, broken)
		m, broken := readAll(s.Markers(w))
		put("markers", w, m, broken)
		c, broken := readAll(s.Commits(w))
		put("commits", w, c, broken)
		b, err := s.Buckets(w)
		put("buckets", w, b, fmt.Sprint(err))
		for _, at := range [][2]txn.RowID{{minID, maxID}, {2, txn.BucketRows}, {3, 4}} {
			r, broken := readAll(s.Rows(w, at[0], at[1]))
			put(fmt.Sprint("rows ", at), w, r, broken)
			if p == compare.PayloadFull {
				var texts []string
				for c, err := range s.Contents(w, at[0], at[1]) {
					texts = append(texts, fmt.Sprint(c.ID, c.Seq, c.Sum, string(c.Payload), err))
				}
				put(fmt.Sprint("contents ", at), w, texts, "")
			}
		}
	}
	return all
}

// What a judge reads through a tee, and later from the directory, is what it
// would have read without one; and each stream is read where it comes from once.
func TestStreamsSurvive(t *testing.T) {
	for _, p := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
		m, f := newMemory()
		want := everything(m, []txn.Worker{0, 1}, p)
		clear(m.reads)
		dir := filepath.Join(t.TempDir(), "evidence")
		tee := NewTee(dir, "v0", testCase(p), f, m)
		for range 2 {
			if d := cmp.Diff(want, everything(tee, []txn.Worker{0, 1}, p)); d != "" {
				t.Errorf("payload %d, through the tee (-memory +tee):\n%s", p, d)
			}
		}
		if err := tee.Keep(nil); err != nil {
			t.Fatal(err)
		}
		for s, n := range m.reads {
			if n != 1 {
				t.Errorf("payload %d: %s was read %d times", p, s.name(), n)
			}
		}
		d, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, everything(d, []txn.Worker{0, 1}, p)); d != "" {
			t.Errorf("payload %d, from the directory (-memory +directory):\n%s", p, d)
		}
		// What no judge asked for through the tee is there all the same.
		if got, broken := readAll(d.Markers(-1)); !cmp.Equal(got, m.markers[-1]) || broken != "" {
			t.Errorf("payload %d: end transactions: %v %s", p, got, broken)
		}
		if got, broken := readAll(d.Rows(7, minID, maxID)); len(got) != len(m.contents[7]) || broken != "" {
			t.Errorf("payload %d: rows of the stranger: %v %s", p, got, broken)
		}
	}
}

// A stream that ended with an error ends with it again, after the same elements;
// payloads that were not kept cannot be read.
func TestErrorsSurvive(t *testing.T) {
	m, f := newMemory()
	for _, s := range []stream{{entries, 0}, {markers, 1}, {commits, 0}, {rows, 1}} {
		m.broken[s] = true
	}
	want := everything(m, []txn.Worker{0, 1}, compare.PayloadSums)
	d, err := Open(keptIn(t, testCase(compare.PayloadSums), f, m))
	if err != nil {
		t.Fatal(err)
	}
	got := everything(d, []txn.Worker{0, 1}, compare.PayloadSums)
	// Summing is the server's deed, and has errors of its own.
	if b, err := d.Buckets(1); err == nil {
		t.Errorf("rows that could not be read were summed: %v", b)
	}
	delete(want, "buckets 1")
	delete(got, "buckets 1")
	// A stretch of rows is not read to its end, where the error is.
	for _, name := range []string{"rows [2 16384] 1", "rows [3 4] 1"} {
		delete(want, name)
		delete(got, name)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-memory +directory):\n%s", d)
	}
	if got, broken := readAll(d.Contents(0, minID, maxID)); len(got) != 0 || broken == "" {
		t.Errorf("payloads that nobody kept: %v", got)
	}
}

// Where nothing can be written, from the start or from some stream on, the judge
// reads all the same, and the tee says that nothing was kept, and leaves nothing.
func TestTeeThatCannotWrite(t *testing.T) {
	m, f := newMemory()
	want := everything(m, []txn.Worker{0, 1}, compare.PayloadSums)
	for _, after := range []string{"nothing", "the ledger", "everything"} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "evidence")
		if after == "nothing" {
			dir = filepath.Join(parent, "absent", "evidence")
		}
		tee := NewTee(dir, "v0", testCase(compare.PayloadSums), f, m)
		if after == "everything" {
			everything(tee, []txn.Worker{0, 1}, compare.PayloadSums)
		} else {
			readAll(tee.Entries(0))
		}
		if err := os.RemoveAll(dir + ".part"); err != nil {
			t.Fatal(err)
		}
		if after == "the ledger" {
			readAll(tee.Entries(1))
		}
		if after != "everything" {
			if d := cmp.Diff(want, everything(tee, []txn.Worker{0, 1}, compare.PayloadSums)); d != "" {
				t.Errorf("after %s (-memory +tee):\n%s", after, d)
			}
		}
		tee.Find("a finding")
		if err := tee.Keep(nil); err == nil {
			t.Errorf("after %s: kept in a directory that is not there", after)
		}
		if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) != 0 {
			t.Errorf("after %s: left %v", after, left)
		}
	}
}

// Evidence that is kept again takes the place of the earlier one, and only once it
// is whole; others may read none of it.
func TestDirectoryIsReplacedWhole(t *testing.T) {
	m, f := newMemory()
	dir := keptIn(t, testCase(compare.PayloadSums), f, m)
	c := testCase(compare.PayloadSums)
	c.Seed = 5
	// What a killed process left is in nobody's way.
	for _, left := range []string{".part", ".old"} {
		if err := os.CopyFS(dir+left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	tee := NewTee(dir, "v1", c, f, m)
	if d, err := Open(dir); err != nil || d.Case().Seed != 1<<64-1 || d.Version() != "v0" {
		t.Errorf("before it is whole: %v", err)
	}
	if err := tee.Keep(nil); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(dir); err != nil || d.Case().Seed != 5 || d.Version() != "v1" {
		t.Errorf("once it is whole: %v", err)
	}
	parent := filepath.Dir(dir)
	if all, _ := filepath.Glob(filepath.Join(parent, "*")); len(all) != 1 {
		t.Errorf("left beside it: %v", all)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if info, _ := d.Info(); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
