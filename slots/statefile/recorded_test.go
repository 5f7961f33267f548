package statefile_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// TestRecorded reads the files that servers of each version wrote, beside what
// their views said.
func TestRecorded(t *testing.T) {
	for major := 13; major <= 18; major++ {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			dir := filepath.Join("testdata", strconv.Itoa(major))
			text, err := os.ReadFile(filepath.Join(dir, "view.json"))
			check(t, err)
			var want struct {
				Slots   []row
				Control statefile.Control
				System  pg.SystemID
			}
			check(t, json.Unmarshal(text, &want))
			if len(want.Slots) < 5 {
				t.Fatalf("%d slots recorded", len(want.Slots))
			}
			lost := 0
			for _, slot := range want.Slots {
				file, err := os.ReadFile(filepath.Join(dir, slot.Name+".state"))
				check(t, err)
				got, err := statefile.ParseSlot(file, major)
				check(t, err)
				if diff := cmp.Diff(slot, shown(got)); diff != "" {
					t.Errorf("view (-) and file (+):\n%s", diff)
				}
				if got.Invalidation != "" {
					lost++
				}
			}
			if lost == 0 {
				t.Error("no slot was given up")
			}
			file, err := os.ReadFile(filepath.Join(dir, "pg_control"))
			check(t, err)
			got, err := statefile.ParseControl(file)
			check(t, err)
			want.Control.System, want.Control.State = want.System, statefile.InProduction
			if diff := cmp.Diff(want.Control, got); diff != "" {
				t.Errorf("recorded (-) and read (+):\n%s", diff)
			}
		})
	}
}

// sealed gives a changed state file the checksum that fits.
func sealed(file []byte) []byte {
	binary.LittleEndian.PutUint32(file[4:], crc32.Checksum(file[8:], crc32.MakeTable(crc32.Castagnoli)))
	return file
}

// TestRefused changes a good file in each way that must be told.
func TestRefused(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "17", "plain.state"))
	check(t, err)
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"empty":             {func([]byte) []byte { return nil }, statefile.ErrShort},
		"cut in the header": {func(b []byte) []byte { return b[:15] }, statefile.ErrShort},
		"cut":               {func(b []byte) []byte { return b[:len(b)-1] }, statefile.ErrShort},
		"longer":            {func(b []byte) []byte { return append(b, 0) }, statefile.ErrShort},
		"magic":             {func(b []byte) []byte { b[0]++; return b }, statefile.ErrUnknown},
		"checksum":          {func(b []byte) []byte { b[4]++; return b }, statefile.ErrChecksum},
		"one bit":           {func(b []byte) []byte { b[96] ^= 1; return b }, statefile.ErrChecksum},
		"version":           {func(b []byte) []byte { b[8] = 4; return sealed(b) }, statefile.ErrUnknown},
		"length":            {func(b []byte) []byte { b[12]--; return sealed(b[:len(b)-1]) }, statefile.ErrUnknown},
		"persistence":       {func(b []byte) []byte { b[84] = 3; return sealed(b) }, statefile.ErrUnknown},
		"cause":             {func(b []byte) []byte { b[104] = 16; return sealed(b) }, statefile.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			file := c.change(append([]byte(nil), good...))
			if s, err := statefile.ParseSlot(file, 17); !errors.Is(err, c.want) {
				t.Errorf("read as %+v, %v; want %v", s, err, c.want)
			}
		})
	}
}

// TestCauses reads the number of a cause as the server's version means it.
func TestCauses(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "18", "plain.state"))
	check(t, err)
	for _, c := range []struct {
		cause byte
		major int
		want  string
	}{
		{1, 17, "wal_removed"}, {2, 17, "rows_removed"}, {3, 17, "wal_level_insufficient"},
		{1, 18, "wal_removed"}, {2, 18, "rows_removed"}, {4, 18, "wal_level_insufficient"}, {8, 18, "idle_timeout"},
		{3, 0, "wal_level_insufficient"}, {4, 0, "wal_level_insufficient"}, {8, 0, "idle_timeout"},
	} {
		file := append([]byte(nil), good...)
		file[104] = c.cause
		if s, err := statefile.ParseSlot(sealed(file), c.major); err != nil || s.Invalidation != c.want {
			t.Errorf("cause %d of %d: %q, %v; want %s", c.cause, c.major, s.Invalidation, err, c.want)
		}
	}
	for _, c := range []struct {
		cause byte
		major int
	}{{4, 17}, {8, 17}, {3, 18}, {5, 18}} {
		file := append([]byte(nil), good...)
		file[104] = c.cause
		if s, err := statefile.ParseSlot(sealed(file), c.major); !errors.Is(err, statefile.ErrUnknown) {
			t.Errorf("cause %d of %d is read as %q, %v", c.cause, c.major, s.Invalidation, err)
		}
	}
}

// TestControlRefused changes a good pg_control.
func TestControlRefused(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "18", "pg_control"))
	check(t, err)
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"cut":     {func(b []byte) []byte { return b[:295] }, statefile.ErrShort},
		"version": {func(b []byte) []byte { b[8]++; return b }, statefile.ErrUnknown},
		"one bit": {func(b []byte) []byte { b[48] ^= 2; return b }, statefile.ErrChecksum},
	} {
		if _, err := statefile.ParseControl(c.change(append([]byte(nil), good...))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestPaths reads the same slot by each path that leads to it.
func TestPaths(t *testing.T) {
	data := t.TempDir()
	put := func(rel string, content []byte) {
		path := filepath.Join(data, rel)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, content, 0o644))
	}
	state, err := os.ReadFile("testdata/18/plain.state")
	check(t, err)
	control, err := os.ReadFile("testdata/18/pg_control")
	check(t, err)
	put("PG_VERSION", []byte("18\n"))
	put("global/pg_control", control)
	put("pg_replslot/plain/state", state)
	put("pg_replslot/half.tmp/state", state[:50])
	put("pg_wal/00000002.history", []byte("1\t0/1513010\tno recovery target specified\n"))
	for _, path := range []string{"", "pg_replslot", "pg_replslot/plain", "pg_replslot/plain/state"} {
		d, err := statefile.Read(filepath.Join(data, path))
		check(t, err)
		check(t, d.Damaged())
		if len(d.Slots) != 1 || d.Slots[0].Slot.Name != "plain" || d.Major != 18 {
			t.Errorf("%q: %+v", path, d)
		}
		if whole := path == ""; whole != (d.Control != nil) || whole != (len(d.Timelines) == 1) {
			t.Errorf("%q: control %v, timelines %v", path, d.Control, d.Timelines)
		}
	}
	put("pg_replslot/torn/state", state[:50])
	d, err := statefile.Read(data)
	check(t, err)
	if err := d.Damaged(); !errors.Is(err, statefile.ErrShort) || len(d.Slots) != 2 || d.Slots[0].Err != nil {
		t.Errorf("a torn file: %v, %+v", err, d.Slots)
	}
	check(t, os.Remove(filepath.Join(data, "global/pg_control")))
	if d, err = statefile.Read(data); err != nil || d.ControlErr == nil {
		t.Errorf("without pg_control: %v, %v", err, d.ControlErr)
	}
	for _, path := range []string{"none", "pg_wal"} {
		if d, err := statefile.Read(filepath.Join(data, path)); err == nil {
			t.Errorf("%s is read as %+v", path, d)
		}
	}
}

func FuzzParseSlot(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.state")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, 17)
	}
	f.Fuzz(func(t *testing.T, file []byte, major int) {
		_, _ = statefile.ParseSlot(file, major)
		if len(file) >= 16 {
			// Past the checksum as well.
			_, _ = statefile.ParseSlot(sealed(append([]byte(nil), file...)), major)
		}
	})
}

func FuzzParseControl(f *testing.F) {
	files, err := filepath.Glob("testdata/*/pg_control")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = statefile.ParseControl(file)
	})
}
