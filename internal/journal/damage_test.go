package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A journal cut at any byte is read without an error, up to its last whole
// frame.
func TestCutAnywhere(t *testing.T) {
	b, err := os.ReadFile(written(t))
	must(t, err)
	whole, err := readAll(t, b, 0)
	must(t, err)
	start := whole.frames[0].From
	for n := range b {
		got, err := readAll(t, b[:n], 0)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		var want []Frame
		end := start
		for _, f := range whole.frames {
			if f.End <= int64(n) {
				want, end = append(want, f), f.End
			}
		}
		if !reflect.DeepEqual(want, got.frames) || len(got.holes) != 0 {
			t.Fatalf("%d bytes: holes %v, %s", n, got.holes, cmp.Diff(want, got.frames))
		}
		if got.headed != (int64(n) >= start) {
			t.Fatalf("%d bytes: header %v", n, got.headed)
		}
		if got.headed && (got.at != end || got.torn != (end != int64(n))) {
			t.Fatalf("%d bytes: torn %v at %d, frames end at %d", n, got.torn, got.at, end)
		}
		if within := n > 0 && n != preamble; !got.headed && got.torn != within {
			t.Fatalf("%d bytes: torn %v", n, got.torn)
		}
	}
	// What a dead machine leaves may end in zeros.
	zeros, err := readAll(t, append(bytes.Clone(b[:len(b)-7]), make([]byte, 5000)...), 0)
	must(t, err)
	if len(zeros.holes) != 0 || !zeros.torn || len(zeros.frames) != len(whole.frames)-1 {
		t.Errorf("a tail of zeros: %d frames, holes %v", len(zeros.frames), zeros.holes)
	}
}

// One wrong bit costs one frame, is told, and never makes anything up.
func TestAnyBitFlipped(t *testing.T) {
	b, err := os.ReadFile(written(t))
	must(t, err)
	whole, err := readAll(t, b, 0)
	must(t, err)
	start, last := whole.frames[0].From, whole.frames[len(whole.frames)-1].From
	for bit := range 8 * len(b) {
		at := int64(bit / 8)
		b[at] ^= 1 << (bit % 8)
		got, err := readAll(t, b, 0)
		b[at] ^= 1 << (bit % 8)
		if at < int64(preamble) {
			if err == nil {
				t.Fatalf("bit %d of the magic: no error", bit)
			}
			continue
		}
		must(t, err)
		var want []Frame
		for _, f := range whole.frames {
			if at < f.From || at >= f.End {
				want = append(want, f)
			}
		}
		if !got.headed {
			// The driver's number is not known then.
			for i, f := range want {
				if c, ok := f.Body.(Closed); ok {
					c.Used = append([]txn.Reserve{}, c.Used...)
					for k := range c.Used {
						c.Used[k].Driver = 0
					}
					want[i].Body = c
				}
			}
		}
		if !reflect.DeepEqual(want, got.frames) {
			t.Fatalf("bit %d: %s", bit, cmp.Diff(want, got.frames))
		}
		switch {
		case got.headed != (at >= start):
			t.Fatalf("bit %d: header %v", bit, got.headed)
		case at >= last:
			if !got.torn || got.at != last || len(got.holes) != 0 {
				t.Fatalf("bit %d of the last frame: torn %v at %d, holes %v", bit, got.torn, got.at, got.holes)
			}
		case got.torn || len(got.holes) != 1 || at < got.holes[0].From || at >= got.holes[0].To:
			t.Fatalf("bit %d at %d: torn %v, holes %+v", bit, at, got.torn, got.holes)
		}
	}
}

// Where entries were lost to damage, the frames that follow tell which.
func TestHoleTellsWhatIsMissing(t *testing.T) {
	b, err := os.ReadFile(written(t))
	must(t, err)
	whole, err := readAll(t, b, 0)
	must(t, err)
	seen := 0
	for _, f := range whole.frames {
		lost, ok := f.Body.(Entries)
		if !ok {
			continue
		}
		seen++
		bad := bytes.Clone(b)
		bad[f.From+frameHead+20] ^= 0x40
		got, err := readAll(t, bad, 0)
		must(t, err)
		want := []Hole{{From: f.From, To: f.End, Why: "damaged", Missing: []Range{{lost.Worker, lost.First, lost.Last()}}}}
		if d := cmp.Diff(want, got.holes); d != "" {
			t.Error(d)
		}
	}
	hole := Hole{From: 1, To: 5, Why: "damaged", Missing: []Range{{3, 4, 6}}}
	if got, want := hole.String(), "bytes 1 to 5: damaged; worker 3: seqs 4 to 6 are missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if seen != 5 {
		t.Errorf("%d frames of entries", seen)
	}
}

// A frame that is whole but cannot follow the ones before it is damage.
func TestFramesThatDoNotFit(t *testing.T) {
	path := written(t)
	b, err := os.ReadFile(path)
	must(t, err)
	whole, err := readAll(t, b, 0)
	must(t, err)
	raw := entryOf(0, 1).Append(nil)
	open := b[:whole.frames[len(whole.frames)-1].From]
	strange := end(append(begin(nil, 99), 1), 0)
	long := end(append(appendProbe(nil, probe)[:frameHead+26], 0), 0)
	for name, c := range map[string]struct {
		before, frame []byte
		missing       []Range
		kept          bool
	}{
		"a seq again":            {open, appendEntries(nil, 0, 6, raw), nil, false},
		"a seq left out":         {open, appendEntries(nil, 0, 8, raw), []Range{{0, 7, 7}}, true},
		"a new worker at seq 2":  {open, appendEntries(nil, 9, 2, raw), []Range{{9, 1, 1}}, true},
		"seq 0":                  {open, appendEntries(nil, 9, 0, raw), nil, false},
		"no entry":               {open, appendEntries(nil, 9, 1, nil), nil, false},
		"part of an entry":       {open, appendEntries(nil, 9, 1, raw[:43]), nil, false},
		"an unknown kind":        {open, strange, nil, false},
		"a payload too long":     {open, long, nil, false},
		"a second header":        {open, appendHeader(nil, head), nil, false},
		"anything after the end": {b, appendProbe(nil, probe), nil, false},
		"an entry never put": {open, appendClosed(nil, []txn.Reserve{{Worker: 0, Upto: 1024, Used: 7}}),
			[]Range{{0, 7, 7}}, true},
	} {
		got, err := readAll(t, append(bytes.Clone(c.before), c.frame...), 0)
		must(t, err)
		if len(got.holes) != 1 || got.torn {
			t.Errorf("%s: holes %v, torn %v", name, got.holes, got.torn)
			continue
		}
		if d := cmp.Diff(c.missing, got.holes[0].Missing); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if kept := got.frames[len(got.frames)-1].From == int64(len(c.before)); kept != c.kept {
			t.Errorf("%s: presented is %v", name, kept)
		}
	}
}

// The next frame is found after any length of damage, wherever the reader's
// pieces end.
func TestFrameAfterLongDamage(t *testing.T) {
	start := appendHeader(le.AppendUint32([]byte(magic), version), head)
	for n := readAhead - 8; n < readAhead+8; n++ {
		b := append(append(bytes.Clone(start), make([]byte, n)...), appendProbe(nil, probe)...)
		got, err := readAll(t, b, 0)
		must(t, err)
		want := []Hole{{From: int64(len(start)), To: int64(len(start) + n), Why: "damaged"}}
		if d := cmp.Diff(want, got.holes); d != "" || len(got.frames) != 1 || got.torn {
			t.Fatalf("%d bytes: %d frames, %s", n, len(got.frames), d)
		}
	}
}

func TestWhatIsNoJournal(t *testing.T) {
	newer, none := append([]byte(magic), 3, 0, 0, 0), append([]byte(magic), 0, 0, 0, 0)
	for name, b := range map[string][]byte{"text": []byte("hello"), "a newer version": newer, "no version": none, "zeros": make([]byte, 100)} {
		path := filepath.Join(t.TempDir(), "j")
		must(t, os.WriteFile(path, b, 0o600))
		if r, err := Open(path); err == nil {
			r.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file was opened")
	}
}

// The form of a frame is a contract between versions.
func TestFormIsPinned(t *testing.T) {
	got := appendReserve(nil, 5, 1024)
	want := []byte("\xF1pj\x8E\x0c\x00\x00\x00\x02\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00")
	want = binary.LittleEndian.AppendUint32(want, crc32.Checksum(want[4:], crc32.MakeTable(crc32.Castagnoli)))
	if !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

// A journal of the first version is read as it was.
func TestFirstVersionIsRead(t *testing.T) {
	entry := entryOf(5, 1)
	b := appendHeader(le.AppendUint32([]byte(magic), 1), head)
	b = appendReserve(b, 5, 1024)
	b = appendEntries(b, 5, 1, entry.Append(nil))
	b = appendClosed(b, []txn.Reserve{{Worker: 5, Upto: 1024, Used: 1}})
	got, err := readAll(t, b, 0)
	must(t, err)
	if !got.headed || len(got.frames) != 3 || len(got.holes) != 0 || got.torn {
		t.Errorf("%+v", got)
	}
}

// What the repo could not take is not kept: it would hold up all that follows.
func TestEventsARepoCannotTake(t *testing.T) {
	long := []byte(`"` + strings.Repeat("x", mostPayload) + `"`)
	for name, body := range map[string][]byte{"nothing": nil, "no JSON": []byte("{"), "a NUL": []byte(`"\u0000"`), "no text": []byte("\"\xff\""), "too long": long} {
		before := []byte("before")
		if b, err := appendEvent(before, txn.Event{Kind: "k", Body: body}); err == nil || string(b) != "before" {
			t.Errorf("an event with %s is kept", name)
		}
		if b, err := appendSlot(before, txn.SlotLook{Node: "n", Name: "s", Body: body}); err == nil || string(b) != "before" {
			t.Errorf("a slot with %s is kept", name)
		}
	}
	if _, err := appendSlot(nil, txn.SlotLook{Node: "\xff", Name: "s", Body: []byte("{}")}); err == nil {
		t.Error("a node whose name is no text is kept")
	}
	if _, err := appendEvent(nil, txn.Event{Kind: "\x00", Body: []byte("{}")}); err == nil {
		t.Error("an event whose kind is no text is kept")
	}
}
