package journal

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var head = Header{Run: 7, Driver: 2, Host: "load-1", Pid: 42}

// entryOf is the entry that the tests put for a seq.
func entryOf(w txn.Worker, seq txn.Seq) txn.Entry {
	return txn.Entry{
		LSN: pg.LSN(seq) << 8, Sent: time.Duration(seq) * time.Millisecond, Took: time.Millisecond,
		Xid: pg.Xid(seq), Conn: txn.Conn(w + 1), Outcome: txn.Outcome(seq % 4), Phase: txn.Answered,
	}
}

// put lets a worker take and put n seqs.
func put(t testing.TB, a *Account, n int) {
	t.Helper()
	for range n {
		seq, err := a.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.Put(seq, entryOf(a.worker, seq))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var connection = txn.Connection{
	Contact: pg.Contact{
		System: 1 << 63, Timeline: 3, Start: 99, Insert: 77, Floor: 66, Marker: pg.Absent, Branch: 4,
		HasHistory: true, History: pg.History{{Parent: 1, End: 5, Reason: "promoted"}, {Parent: 2, End: 9, Reason: ""}},
	},
	Address: "127.0.0.1:5432", Backend: 12, Version: "15.18", SyncCommit: "on", SyncStandbys: "ANY 1 (*)",
}

var (
	probe    = txn.Probe{At: 5, Took: 6, Worker: 1, Fault: txn.Refused, State: txn.StateOf("57P03")}
	stall    = txn.Stall{From: 7, To: 8, Cause: "disk"}
	sentinel = txn.Sentinel{Number: 1, Nonce: [16]byte{1, 2, 3}}
	event    = txn.Event{At: 9, Kind: "watch_vanished", Body: []byte(`{"slot": "s"}`)}
	look     = txn.SlotLook{At: 10, Node: "127.0.0.1:5432", Name: "s", Body: []byte(`{"active": true}`)}
)

// written makes a small journal with every kind of frame.
func written(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "2.journal")
	j, err := Create(path, head)
	must(t, err)
	a, b := j.Account(0), j.Account(5)
	if n, err := j.Connection(connection); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	put(t, a, 3)
	must(t, j.Sync(t.Context()))
	put(t, a, 1)
	put(t, b, 2)
	must(t, j.Sync(t.Context()))
	j.Probe(probe)
	j.Stall(stall)
	must(t, j.Event(event))
	must(t, j.Slot(look))
	must(t, j.Sentinel(t.Context(), sentinel))
	put(t, b, 2)
	must(t, j.Sync(t.Context()))
	put(t, a, 2)
	must(t, j.Close(t.Context()))
	return path
}

// stalled tells a frame that is there only where the disk is slow: of a worker
// that waited for its reservation.
func stalled(f Frame) bool {
	s, ok := f.Body.(Stall)
	return ok && s.Cause == "journal"
}

// read is a whole reading of a journal; frames hold no buffer of the reader.
type read struct {
	header Header
	headed bool
	frames []Frame
	holes  []Hole
	torn   bool
	at     int64
}

func readAll(t testing.TB, b []byte, from int64) (read, error) {
	t.Helper()
	r, err := newReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return read{}, err
	}
	var all read
	all.header, all.headed = r.Header()
	for f, err := range r.FramesFrom(from) {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		all.frames = append(all.frames, own(f))
	}
	all.holes = r.Holes()
	all.at, all.torn = r.Torn()
	return all, nil
}

// own copies what aliases a buffer.
func own(f Frame) Frame {
	if e, ok := f.Body.(Entries); ok {
		e.Raw = bytes.Clone(e.Raw)
		f.Body = e
	}
	return f
}

// entries decodes all entries of a worker, in order of the frames.
func (r read) entries(t testing.TB, w txn.Worker) (seqs []txn.Seq, all []txn.Entry) {
	t.Helper()
	for _, f := range r.frames {
		body, ok := f.Body.(Entries)
		if !ok || body.Worker != w {
			continue
		}
		for i := range body.Len() {
			e, err := body.Decode(i)
			must(t, err)
			seqs, all = append(seqs, body.First+txn.Seq(i)), append(all, e)
		}
	}
	return seqs, all
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	before := time.Now()
	path := written(t)
	r, err := Open(path)
	must(t, err)
	defer r.Close()
	h, ok := r.Header()
	if !ok || h.Started.Before(before.Add(-time.Second)) || h.Started.After(time.Now()) {
		t.Errorf("header %+v, %v", h, ok)
	}
	want := head
	want.Started = h.Started
	if d := cmp.Diff(want, h); d != "" {
		t.Error(d)
	}
	b, err := os.ReadFile(path)
	must(t, err)
	all, err := readAll(t, b, 0)
	must(t, err)
	if len(all.holes) != 0 || all.torn || all.at != int64(len(b)) {
		t.Errorf("holes %v, torn %v at %d of %d", all.holes, all.torn, all.at, len(b))
	}
	for w, n := range map[txn.Worker]int{0: 6, 5: 4} {
		seqs, got := all.entries(t, w)
		if len(seqs) != n {
			t.Fatalf("worker %d: seqs %v", w, seqs)
		}
		for i, e := range got {
			if d := cmp.Diff(entryOf(w, txn.Seq(i+1)), e); seqs[i] != txn.Seq(i+1) || d != "" {
				t.Errorf("worker %d seq %d: %s", w, seqs[i], d)
			}
		}
	}
	var rest []Body
	for _, f := range all.frames {
		switch body := f.Body.(type) {
		case Entries:
		case Connection:
			if body.At < before.UnixNano() || body.At > time.Now().UnixNano() {
				t.Errorf("connection at %d", body.At)
			}
			body.At = 0
			rest = append(rest, body)
		default:
			if !stalled(f) {
				rest = append(rest, body)
			}
		}
	}
	numbered := connection
	numbered.Number, numbered.Observer = 1, 2
	if d := cmp.Diff([]Body{
		Connection{numbered}, Reserve{0, 1024}, Reserve{5, 1024},
		Probe{probe}, Stall{stall}, Event{event}, Slot{look}, Sentinel{sentinel},
		Closed{[]txn.Reserve{{Worker: 0, Driver: 2, Upto: 1024, Used: 6, Closed: true}, {Worker: 5, Driver: 2, Upto: 1024, Used: 4, Closed: true}}},
	}, rest); d != "" {
		t.Error(d)
	}
}

// Reading can begin at the end of any frame.
func TestReadingIsResumed(t *testing.T) {
	b, err := os.ReadFile(written(t))
	must(t, err)
	all, err := readAll(t, b, 0)
	must(t, err)
	for i, f := range all.frames {
		rest, err := readAll(t, b, f.End)
		must(t, err)
		if d := cmp.Diff(all.frames[i+1:], rest.frames, equateEmpty); d != "" || len(rest.holes) != 0 || rest.torn {
			t.Fatalf("from %d: holes %v, torn %v, %s", f.End, rest.holes, rest.torn, d)
		}
	}
}

var equateEmpty = cmp.Transformer("empty", func(f []Frame) []Frame { return append([]Frame{}, f...) })

func TestFileIsNewAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path, head)
	must(t, err)
	defer j.Close(t.Context())
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	_, err = Create(path, head)
	if !errors.Is(err, fs.ErrExist) || trouble.Of(err) != trouble.Unavailable {
		t.Errorf("a second journal at one path: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the first journal is gone: %v", err)
	}
	_, err = Create(filepath.Join(t.TempDir(), "none", "j"), head)
	if !errors.Is(err, fs.ErrNotExist) || trouble.Of(err) != trouble.Unavailable {
		t.Errorf("no folder: %v", err)
	}
}

// Each seq that Next gives lies below a reservation that is in the file.
func TestSeqsAreReservedBeforeUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path, head)
	must(t, err)
	defer j.Close(t.Context())
	a := j.Account(3)
	if j.Account(3) != a {
		t.Error("two accounts of one worker")
	}
	for want := txn.Seq(1); want <= 5*reserveSeqs; want++ {
		seq, err := a.Next(t.Context())
		must(t, err)
		if seq != want {
			t.Fatalf("seq %d, want %d", seq, want)
		}
		if seq%reserveSeqs == 1 || seq%777 == 0 {
			b, err := os.ReadFile(path)
			must(t, err)
			all, err := readAll(t, b, 0)
			must(t, err)
			var upto txn.Seq
			for _, f := range all.frames {
				if r, ok := f.Body.(Reserve); ok {
					upto = r.Upto
				}
			}
			if upto < seq {
				t.Fatalf("seq %d was given, %d are reserved", seq, upto)
			}
		}
		a.Put(seq, entryOf(3, seq))
	}
}

func TestNothingAfterClose(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "j"), head)
	must(t, err)
	a := j.Account(0)
	put(t, a, 1)
	must(t, j.Close(t.Context()))
	must(t, j.Close(t.Context()))
	must(t, j.Sync(t.Context()))
	if seq, err := a.Next(t.Context()); !errors.Is(err, ErrClosed) || seq != 0 {
		t.Errorf("next: %d, %v", seq, err)
	}
	if _, err := j.Connection(connection); !errors.Is(err, ErrClosed) {
		t.Errorf("connection: %v", err)
	}
	if err := j.Sentinel(t.Context(), sentinel); !errors.Is(err, ErrClosed) {
		t.Errorf("sentinel: %v", err)
	}
	must(t, j.Err())
}

func TestContextEndsTheWait(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "j"), head)
	must(t, err)
	defer j.Close(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if seq, err := j.Account(0).Next(ctx); !errors.Is(err, context.Canceled) || seq != 0 {
		t.Errorf("next: %d, %v", seq, err)
	}
	if err := j.Sync(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("sync: %v", err)
	}
	put(t, j.Account(0), 1)
}

// No entry comes before the connection that it names, whenever rounds begin.
func TestConnectionComesBeforeItsEntries(t *testing.T) {
	m := new(memory)
	j := begun(t, m)
	var group sync.WaitGroup
	for w := range txn.Worker(4) {
		a := j.Account(w)
		group.Go(func() {
			for range 500 {
				seq, err := a.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				number, err := j.Connection(connection)
				if err != nil {
					t.Error(err)
				}
				a.Put(seq, txn.Entry{Conn: number})
				j.rouse()
			}
		})
	}
	group.Wait()
	must(t, j.Close(t.Context()))
	all, err := readAll(t, m.bytes(), 0)
	must(t, err)
	var last uint32
	for _, f := range all.frames {
		switch body := f.Body.(type) {
		case Connection:
			if body.Number != last+1 {
				t.Fatalf("connection %d after %d", body.Number, last)
			}
			last = body.Number
		case Entries:
			for i := range body.Len() {
				if e, err := body.Decode(i); err != nil || uint32(e.Conn) > last {
					t.Fatalf("worker %d names connection %d, %d are known: %v", body.Worker, e.Conn, last, err)
				}
			}
		}
	}
	if last != 2000 {
		t.Errorf("%d connections", last)
	}
}
