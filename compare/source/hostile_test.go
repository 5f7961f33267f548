package source

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// Evidence holds files of its own, and nothing else under their names: a link may
// lead anywhere, and a pipe never ends.
func TestOnlyFilesAreEvidence(t *testing.T) {
	m, f := newMemory()
	whole := keptIn(t, testCase(compare.PayloadSums), f, m)
	for _, name := range []string{"entries.0.gz", factsName, ManifestName} {
		for what, instead := range map[string]func(k kept){
			"link":      func(k kept) { k.check(os.Symlink(k.path("elsewhere"), k.path(name))) },
			"pipe":      func(k kept) { k.check(syscall.Mkfifo(k.path(name), 0o600)) },
			"directory": func(k kept) { k.check(os.Mkdir(k.path(name), 0o700)) },
		} {
			k := kept{t, t.TempDir() + "/evidence"}
			k.check(os.CopyFS(k.dir, os.DirFS(whole)))
			k.check(os.Rename(k.path(name), k.path("elsewhere")))
			instead(k)
			if _, err := Open(k.dir); err == nil || !strings.Contains(err.Error(), name+" is no file") {
				t.Errorf("%s instead of %s: %v", what, name, err)
			}
		}
	}
}

// A name in the manifest leads nowhere but to a file beside it.
func TestNamesStayInside(t *testing.T) {
	m, f := newMemory()
	whole := keptIn(t, testCase(compare.PayloadSums), f, m)
	for _, name := range []string{"..", ".", "", "/etc/hostname", "../evidence/" + factsName, "a/../" + factsName, ManifestName} {
		k := kept{t, t.TempDir() + "/evidence"}
		k.check(os.CopyFS(k.dir, os.DirFS(whole)))
		k.sign(func(m *manifest) { m.Files[0].Name = name })
		if _, err := Open(k.dir); err == nil || !strings.Contains(err.Error(), "which is no file of evidence") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A length that a damaged record tells takes no memory before as much is there.
func TestLengthThatIsNotThere(t *testing.T) {
	m, f := newMemory()
	k := kept{t, keptIn(t, testCase(compare.PayloadFull), f, m)}
	const name = "contents.0.gz"
	record := appendRow(nil, m.contents[0][0].Row)
	record = append(binary.LittleEndian.AppendUint32(record, 0xF000_0000), "short"...)
	k.forge(name, record)
	k.sign(func(m *manifest) {
		for i := range m.Files {
			if m.Files[i].Name == name {
				m.Files[i].Records = 1
			}
		}
	})
	d, err := Open(k.dir)
	k.check(err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, broken := readAll(d.Contents(0, minID, maxID))
	runtime.ReadMemStats(&after)
	if len(got) != 0 || !strings.Contains(broken, name) {
		t.Errorf("%d rows were read, and then %q", len(got), broken)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d MiB were taken for five bytes", took>>20)
	}
}

// What is kept as one value is read only as far as any run needs room.
func TestValueThatIsFarTooLong(t *testing.T) {
	m, f := newMemory()
	k := kept{t, keptIn(t, testCase(compare.PayloadSums), f, m)}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	k.check(err)
	for blank, n := bytes.Repeat([]byte{' '}, 1<<20), 0; n < 4; n++ {
		_, err := z.Write(blank)
		k.check(err)
	}
	_, err = z.Write([]byte("{}"))
	k.check(err)
	k.check(z.Close())
	k.write(metaName, b.Bytes())
	var v struct{}
	d := folder{dir: k.dir}
	if err := d.valueOf(metaName, &v, 4<<20); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("more than 4 MiB: %v", err)
	}
	if err := d.valueOf(metaName, &v, 5<<20); err != nil {
		t.Errorf("less than 5 MiB: %v", err)
	}
}

// What follows a value is damage, too.
func TestNothingFollowsAValue(t *testing.T) {
	m, f := newMemory()
	k := kept{t, keptIn(t, testCase(compare.PayloadSums), f, m)}
	d, err := Open(k.dir)
	k.check(err)
	in, done, err := d.open(factsName)
	k.check(err)
	defer done()
	var facts bytes.Buffer
	_, err = facts.ReadFrom(in)
	k.check(err)
	k.forge(factsName, append(facts.Bytes(), `{"Drivers": []}`...))
	if _, err := Open(k.dir); err == nil || !strings.Contains(err.Error(), factsName) {
		t.Errorf("two values of facts: %v", err)
	}
}
