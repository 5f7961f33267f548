package source

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// kept is a directory of evidence that a test damages.
type kept struct {
	t   *testing.T
	dir string
}

func (k kept) check(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k kept) path(name string) string { return filepath.Join(k.dir, name) }

func (k kept) read(name string) []byte {
	k.t.Helper()
	b, err := os.ReadFile(k.path(name))
	k.check(err)
	return b
}

func (k kept) write(name string, b []byte) {
	k.t.Helper()
	k.check(os.WriteFile(k.path(name), b, 0o600))
}

// sign writes a manifest that is whole in itself.
func (k kept) sign(change func(m *manifest)) {
	k.t.Helper()
	m, err := readManifest(k.dir)
	k.check(err)
	change(&m)
	b, err := m.encode()
	k.check(err)
	k.write(ManifestName, b)
}

// forge puts another content into a file, and signs for it.
func (k kept) forge(name string, content []byte) {
	k.t.Helper()
	b := zipped(k.t, content)
	k.write(name, b)
	k.sign(func(m *manifest) {
		m.Files = slices.DeleteFunc(m.Files, func(f file) bool { return f.Name == name })
		sum := sha256.Sum256(b)
		m.Files = append(m.Files, file{Name: name, Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])})
	})
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (k kept) forget(name string) {
	k.t.Helper()
	k.check(os.Remove(k.path(name)))
	k.sign(func(m *manifest) {
		m.Files = slices.DeleteFunc(m.Files, func(f file) bool { return f.Name == name })
	})
}

// damages are what may become of a directory, with what must be said of it.
var damages = map[string]struct {
	deed func(k kept)
	says []string
}{
	"no manifest":           {func(k kept) { k.check(os.Remove(k.path(ManifestName))) }, []string{ManifestName}},
	"an empty manifest":     {func(k kept) { k.write(ManifestName, nil) }, []string{ManifestName, "damaged"}},
	"a cut manifest":        {func(k kept) { b := k.read(ManifestName); k.write(ManifestName, b[:len(b)-1]) }, []string{ManifestName, "damaged"}},
	"a longer manifest":     {func(k kept) { k.write(ManifestName, append(k.read(ManifestName), '\n')) }, []string{ManifestName, "damaged"}},
	"a later format":        {func(k kept) { k.sign(func(m *manifest) { m.Format = 2 }) }, []string{ManifestName, "format 2"}},
	"a file is missing":     {func(k kept) { k.check(os.Remove(k.path("markers.1.gz"))) }, []string{"markers.1.gz is missing"}},
	"a file is cut":         {func(k kept) { b := k.read("rows.0.gz"); k.write("rows.0.gz", b[:len(b)-3]) }, []string{"rows.0.gz", "bytes"}},
	"a file is longer":      {func(k kept) { k.write("rows.0.gz", append(k.read("rows.0.gz"), 0)) }, []string{"rows.0.gz", "bytes"}},
	"a file too many":       {func(k kept) { k.write("entries.9.gz", k.read("entries.0.gz")) }, []string{"entries.9.gz is not in the manifest"}},
	"a file under no name":  {func(k kept) { k.sign(func(m *manifest) { m.Files[0].Name = "../" + m.Files[0].Name }) }, []string{"no file of evidence"}},
	"an extra worker":       {func(k kept) { k.forge("entries.9.gz", nil) }, []string{"entries.9.gz", "worker"}},
	"a worker is forgotten": {func(k kept) { k.forget("entries.1.gz") }, []string{"entries.1.gz", "worker 1"}},
	"no rows":               {func(k kept) { k.forget("rows.7.gz") }, []string{"rows.7.gz"}},
	"no facts":              {func(k kept) { k.forget(factsName) }, []string{factsName}},
	"no findings":           {func(k kept) { k.forget(findingsName) }, []string{findingsName}},
	"facts of a later form": {func(k kept) { k.forge(factsName, []byte(`{"Visions": []}`)) }, []string{factsName, "Visions"}},
	"facts that are none":   {func(k kept) { k.forge(factsName, []byte(`{`)) }, []string{factsName}},
}

// Damage is refused before anything is judged, in one line that names the file.
func TestDamageIsRefused(t *testing.T) {
	m, f := newMemory()
	whole := keptIn(t, testCase(compare.PayloadSums), f, m)
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			k := kept{t, filepath.Join(t.TempDir(), "evidence")}
			k.check(os.CopyFS(k.dir, os.DirFS(whole)))
			if _, err := Open(k.dir); err != nil {
				t.Fatalf("before it is damaged: %v", err)
			}
			d.deed(k)
			_, err := Open(k.dir)
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, word := range d.says {
				if !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %q, want one line with %q", err, word)
				}
			}
		})
	}
}

// No byte of a file can be another one unseen, and none of the manifest.
func TestEveryByteCounts(t *testing.T) {
	m, f := newMemory()
	k := kept{t, keptIn(t, testCase(compare.PayloadSums), f, m)}
	b := k.read(ManifestName)
	for i := range b {
		for _, bit := range []byte{1, 0x20} {
			b[i] ^= bit
			if _, err := decodeManifest(b); err == nil {
				t.Errorf("byte %d of the manifest is another, and nobody said so", i)
			}
			b[i] ^= bit
		}
	}
	d, err := Open(k.dir)
	k.check(err)
	for _, f := range d.files {
		b := k.read(f.Name)
		for i := 0; i < len(b); i += 7 {
			b[i] ^= 1
			k.write(f.Name, b)
			if err := d.check(f); err == nil || !strings.Contains(err.Error(), f.Name) {
				t.Fatalf("byte %d of %s is another: %v", i, f.Name, err)
			}
			b[i] ^= 1
		}
		k.write(f.Name, b)
	}
	_, err = Open(k.dir)
	k.check(err)
}

// A file that is changed after it was checked is an error of its stream, and
// never a shorter or a longer stream.
func TestChangeWhileJudged(t *testing.T) {
	m, f := newMemory()
	k := kept{t, keptIn(t, testCase(compare.PayloadSums), f, m)}
	d, err := Open(k.dir)
	k.check(err)
	const name = "rows.0.gz"
	whole := k.read(name)
	var two, nine []byte
	for i := range 9 {
		if i < 2 {
			two = appendRow(two, m.contents[0][0].Row)
		}
		nine = appendRow(nine, m.contents[0][0].Row)
	}
	for what, b := range map[string][]byte{
		"empty": nil, "cut": whole[:len(whole)-9], "no head": whole[:5], "another": k.read("entries.0.gz"),
		"shorter": zipped(t, two), "longer": zipped(t, nine), "none": zipped(t, nil),
	} {
		k.write(name, b)
		if got, broken := readAll(d.Rows(0, minID, maxID)); !strings.Contains(broken, name) {
			t.Errorf("%s: %d rows were read, and then %q", what, len(got), broken)
		}
		if _, err := d.Buckets(0); err == nil {
			t.Errorf("%s: the rows were summed", what)
		}
	}
	k.check(os.Remove(k.path(name)))
	if _, broken := readAll(d.Rows(0, minID, maxID)); !strings.Contains(broken, name) {
		t.Errorf("it is gone, and what was said is %q", broken)
	}
}
