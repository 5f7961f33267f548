package repo_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func header(n txn.Run, d txn.Driver) journal.Header {
	return journal.Header{Run: n, Driver: d, Started: time.Unix(int64(n), 123456789), Host: "here", Pid: 7}
}

// sliced is a source of made-up frames.
func sliced(bodies []journal.Body) repo.Source {
	return func(context.Context, int64) iter.Seq2[journal.Frame, error] {
		return func(yield func(journal.Frame, error) bool) {
			for i, b := range bodies {
				if !yield(journal.Frame{From: int64(i), End: int64(i + 1), Body: b}, nil) {
					return
				}
			}
		}
	}
}

// everything has each kind of frame once.
func everything(w txn.Worker) []journal.Body {
	return []journal.Body{
		journal.Reserve{Worker: w, Upto: 1024},
		journal.Connection{Connection: connection(1)},
		journal.Entries{Worker: w, First: 1, Raw: raw(w, 1, 3)},
		journal.Probe{Probe: txn.Probe{At: 5, Took: 6, Worker: w, Fault: txn.Refused}},
		journal.Probe{Probe: txn.Probe{At: 5, Took: 6, Worker: w, Fault: txn.TooManyConnections, State: txn.StateOf("53300")}},
		journal.Stall{Stall: txn.Stall{From: 7, To: 9, Cause: "fsync"}},
		journal.Event{Event: txn.Event{At: 9, Kind: "watch_away", Body: []byte(`{}`)}},
		journal.Slot{SlotLook: txn.SlotLook{At: 9, Node: "a:5432", Name: "s", Body: []byte(`{}`)}},
		journal.Sentinel{Sentinel: txn.Sentinel{Number: 1, Nonce: [16]byte{1, 2, 3}}},
		journal.Closed{Used: []txn.Reserve{{Worker: w, Driver: 1, Upto: 1024, Used: 3, Closed: true}}},
	}
}

func connection(number uint32) txn.Connection {
	return txn.Connection{
		Contact: pg.Contact{
			Observer: 1, Number: number, At: 1e18 + int64(number), System: 1<<63 + 9, Timeline: 2, Start: 1700000000000000, Insert: 1<<40 + 5,
			HasHistory: true, History: pg.History{{Parent: 1, End: 0x3000060, Reason: "no recovery target specified"}}, Floor: 1 << 33, Marker: pg.Present,
		},
		Address: "db1:5432", Backend: 4711, Version: "15.18", SyncCommit: "on", SyncStandbys: "*",
	}
}

// entry is a made-up entry that differs for each attempt.
func entry(w txn.Worker, seq txn.Seq) txn.Entry {
	chance := rand.New(rand.NewPCG(uint64(w), uint64(seq)))
	e := txn.Entry{
		LSN: pg.LSN(chance.Uint64() >> chance.IntN(64)), Sent: time.Duration(chance.Int64N(1e15)), Took: time.Duration(chance.Int64N(1e9)),
		Late: time.Duration(chance.Uint32()) * time.Microsecond, Xid: pg.Xid(chance.Uint32()), Conn: txn.Conn(chance.Uint32()),
		Outcome: txn.Outcome(chance.IntN(4)), Phase: txn.Phase(chance.IntN(4)), Fault: txn.Fault(chance.IntN(10)),
	}
	if chance.IntN(2) == 0 {
		e.State = txn.StateOf("40001")
	}
	return e
}

// raw are the entries of n seqs.
func raw(w txn.Worker, first txn.Seq, n int) (b []byte) {
	for i := range n {
		e := entry(w, first+txn.Seq(i))
		b = e.Append(b)
	}
	return b
}

// ledger reads a worker's whole ledger, which must have no hole.
func ledger(t *testing.T, r *repo.Repo, w txn.Worker) (all []byte) {
	t.Helper()
	next := txn.Seq(1)
	for b, err := range r.Entries(t.Context(), run, w) {
		must(t, err)
		if b.First != next || b.Len() > 1024 {
			t.Fatalf("worker %d: a block of %d from seq %d, want seq %d", w, b.Len(), b.First, next)
		}
		next += txn.Seq(b.Len())
		all = append(all, b.Raw...)
	}
	return all
}

// driven is a journal under writing.
type driven struct {
	*journal.Journal
	path   string
	driver txn.Driver
}

func drive(t *testing.T, r *repo.Repo, workers int) driven {
	t.Helper()
	d, _, err := r.ClaimDriver(t.Context(), run, repo.Claim{Host: "here", Pid: 7, Shards: 1, Workers: workers})
	must(t, err)
	path := filepath.Join(t.TempDir(), strconv.Itoa(int(d))+".journal")
	j, err := journal.Create(path, journal.Header{Run: run, Driver: d, Host: "here", Pid: 7})
	must(t, err)
	t.Cleanup(func() { j.Close(context.WithoutCancel(t.Context())) })
	return driven{j, path, d}
}

// put adds n entries of a worker, from first on.
func (d driven) put(t *testing.T, w txn.Worker, first txn.Seq, n int) {
	t.Helper()
	a := d.Account(w)
	for i := range n {
		seq, err := a.Next(t.Context())
		must(t, err)
		if seq != first+txn.Seq(i) {
			t.Fatalf("seq %d, want %d", seq, first+txn.Seq(i))
		}
		a.Put(seq, entry(w, seq))
	}
}

// written is the shipment of the file as it is.
func (d driven) written(t *testing.T) repo.Shipment {
	t.Helper()
	file, err := journal.Open(d.path)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	h, ok := file.Header()
	if !ok {
		t.Fatal("the journal has no header")
	}
	return repo.Shipment{Header: h, Source: repo.Written(file)}
}

func TestShipWhileItIsWritten(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	d := drive(t, r, 2)
	done := make(chan error, 1)
	stored := make(chan txn.Seq, 4096)
	go func() {
		done <- r.Ship(t.Context(), repo.Shipment{Header: d.Header(), Source: d.Follow, Part: 20 * time.Millisecond, Every: 5 * time.Millisecond,
			Stored: func(w txn.Worker, seq txn.Seq) {
				if w == 0 {
					stored <- seq
				}
			}})
	}()
	d.put(t, 0, 1, 3)
	// A part block comes without more being written.
	for seq := range stored {
		if seq == 3 {
			break
		}
	}
	_, err := d.Connection(connection(0))
	must(t, err)
	d.Probe(txn.Probe{At: 5, Took: 6, Worker: 1, Fault: txn.TooManyConnections, State: txn.StateOf("53300")})
	d.Stall(txn.Stall{From: 7, To: 9, Cause: "fsync"})
	must(t, d.Event(txn.Event{At: time.Second, Kind: "watch_vanished", Body: []byte(`{"slot": "s"}`)}))
	must(t, d.Slot(txn.SlotLook{At: 2 * time.Second, Node: "a:5432", Name: "s", Body: []byte(`{"active": true}`)}))
	must(t, d.Sentinel(t.Context(), txn.Sentinel{Number: 1, Nonce: [16]byte{9}}))
	d.put(t, 0, 4, 3000)
	d.put(t, 1, 1, 5000)
	must(t, d.Close(t.Context()))
	must(t, <-done)

	check := func() {
		t.Helper()
		for w, n := range []int{3003, 5000} {
			if diff := cmp.Diff(raw(txn.Worker(w), 1, n), ledger(t, r, txn.Worker(w))); diff != "" {
				t.Errorf("worker %d: the ledger is not the journal", w)
			}
		}
		reserves, err := r.Reserves(t.Context(), run)
		must(t, err)
		for i := range reserves {
			if reserves[i].Upto < reserves[i].Used {
				t.Errorf("worker %d: used %d of %d", i, reserves[i].Used, reserves[i].Upto)
			}
			reserves[i].Upto = 0
		}
		if diff := cmp.Diff([]txn.Reserve{{Worker: 0, Driver: d.driver, Used: 3003, Closed: true}, {Worker: 1, Driver: d.driver, Used: 5000, Closed: true}}, reserves); diff != "" {
			t.Error(diff)
		}
		contacts, err := r.Contacts(t.Context(), run)
		must(t, err)
		want := connection(1)
		want.Observer, want.At = int32(d.driver), contacts[0].At
		if diff := cmp.Diff([]txn.Connection{want}, contacts); diff != "" {
			t.Error(diff)
		}
		for p, err := range r.Probes(t.Context(), run, d.driver) {
			must(t, err)
			if diff := cmp.Diff(txn.Probe{At: 5, Took: 6, Worker: 1, Fault: txn.TooManyConnections, State: txn.StateOf("53300")}, p); diff != "" {
				t.Error(diff)
			}
		}
		// The repo keeps microseconds.
		at := d.Header().Started.Round(time.Microsecond)
		near := cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= time.Microsecond })
		if diff := cmp.Diff([]repo.Event{{At: at.Add(time.Second), Kind: "watch_vanished", Body: []byte(`{"slot": "s"}`)}}, gather(t, r.Events(t.Context(), run)), near); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]repo.SlotRow{{At: at.Add(2 * time.Second), Node: "a:5432", Name: "s", Body: []byte(`{"active": true}`)}}, gather(t, r.Slots(t.Context(), run)), near); diff != "" {
			t.Error(diff)
		}
		sentinels, err := r.Sentinels(t.Context(), run)
		must(t, err)
		if diff := cmp.Diff([]txn.Sentinel{{Number: 1, Nonce: [16]byte{9}}}, sentinels); diff != "" {
			t.Error(diff)
		}
		if got := value(t, name, "select (select count(*) from pgrpo.probe) || ' ' || (select count(*) from pgrpo.stall where cause = 'fsync')"); got != "1 1" {
			t.Errorf("probes and stalls: %s, want one each", got)
		}
		drivers, err := r.Drivers(t.Context(), run)
		must(t, err)
		if len(drivers) != 1 || !drivers[0].Closed || drivers[0].Started.UnixNano() != d.Header().Started.UnixNano() || drivers[0].Shipped != d.Durable() {
			t.Errorf("drivers %+v", drivers)
		}
	}
	check()
	must(t, r.Ship(t.Context(), d.written(t)))
	check()
}

// A shipment that is ended anywhere, as by a kill, is completed by the next.
func TestShipEndedAnywhere(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	d := drive(t, r, 3)
	for range 400 {
		d.Probe(txn.Probe{At: d.Now(), Worker: 1, Fault: txn.Refused})
	}
	for w := range txn.Worker(3) {
		d.put(t, w, 1, 20_000+int(w))
	}
	must(t, d.Close(t.Context()))
	inPart := 0
	for range 40 {
		s := d.written(t)
		s.Every = time.Millisecond
		s.Part = time.Microsecond
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.Int64N(int64(60*time.Millisecond))))
		if inPart == 0 {
			// On a slow machine the time is up before anything is stored.
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			s.Stored = func(txn.Worker, txn.Seq) { cancel() }
		}
		err := r.Ship(ctx, s)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if value(t, name, "select count(*) from pgrpo.worker where shipped > 0") != "0" && value(t, name, "select count(*) from pgrpo.driver where closed") == "0" {
			inPart++
		}
	}
	if inPart == 0 {
		t.Error("no shipment was ended in the middle")
	}
	must(t, r.Ship(t.Context(), d.written(t)))
	for w := range txn.Worker(3) {
		if string(ledger(t, r, w)) != string(raw(w, 1, 20_000+int(w))) {
			t.Errorf("worker %d: the ledger is not the journal", w)
		}
	}
	if got := value(t, name, "select count(*) from pgrpo.probe"); got != "400" {
		t.Errorf("%s probes, want 400", got)
	}
}

// Lost replies to COMMIT, cut connections and a repo that is away delay the
// shipment, and change nothing.
func TestShipWhileTheRepoIsAway(t *testing.T) {
	t.Parallel()
	direct, name := fresh(t)
	d := drive(t, direct, 1)
	link, err := relay.Listen(t.Context(), server.Addr())
	must(t, err)
	defer link.Close()
	r := opened(t, dsn(t, name, "", link.Addr()))
	done := make(chan error, 1)
	go func() {
		done <- r.Ship(t.Context(), repo.Shipment{Header: d.Header(), Source: d.Follow, Part: time.Millisecond, Every: time.Millisecond})
	}()
	for round := range 5 {
		eaten := link.EatNext("COMMIT")
		d.Probe(txn.Probe{At: d.Now(), Fault: txn.Refused})
		d.put(t, 0, txn.Seq(1+500*round), 500)
		must(t, d.Sync(t.Context()))
		select {
		case <-eaten:
		case <-time.After(time.Minute):
			t.Fatal("no COMMIT came by")
		}
		if round == 3 {
			link.Cut()
			d.Probe(txn.Probe{At: d.Now(), Fault: txn.Refused})
			must(t, d.Sync(t.Context()))
			link.Resume()
		}
	}
	must(t, d.Close(t.Context()))
	must(t, <-done)
	if string(ledger(t, direct, 0)) != string(raw(0, 1, 2500)) {
		t.Error("the ledger is not the journal")
	}
	if got := value(t, name, "select count(*) from pgrpo.probe"); got != "6" {
		t.Errorf("%s probes, want 6", got)
	}
}

// A repo that lost what it had is given it again.
func TestShipToARepoThatLost(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	d := drive(t, r, 1)
	done := make(chan error, 1)
	stored := make(chan txn.Seq, 1024)
	go func() {
		done <- r.Ship(t.Context(), repo.Shipment{Header: d.Header(), Source: d.Follow, Part: time.Millisecond, Every: time.Millisecond,
			Stored: func(_ txn.Worker, seq txn.Seq) { stored <- seq }})
	}()
	d.put(t, 0, 1, 1500)
	for seq := range stored {
		if seq == 1500 {
			break
		}
	}
	change(t, name, "truncate pgrpo.driver, pgrpo.worker, pgrpo.ledger")
	d.put(t, 0, 1501, 10)
	must(t, d.Close(t.Context()))
	must(t, <-done)
	if string(ledger(t, r, 0)) != string(raw(0, 1, 1510)) {
		t.Error("the ledger is not the journal")
	}
}

func TestShipRefusesAnothersJournal(t *testing.T) {
	t.Parallel()
	r, _ := fresh(t)
	ship := func(h journal.Header, w txn.Worker) error {
		return r.Ship(t.Context(), repo.Shipment{Header: h, Source: sliced(everything(w))})
	}
	must(t, ship(header(run, 1), 0))
	must(t, ship(header(run, 1), 0))
	other := header(run, 1)
	other.Started = other.Started.Add(1)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"another process", ship(other, 0), repo.ErrOtherJournal},
		{"another driver's worker", ship(header(run, 2), 0), repo.ErrOtherJournal},
		{"an unknown run", ship(header(run+1, 1), 0), repo.ErrNoRun},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
}

// What came before the source's error is stored, and the error is passed on; so
// is a hole in the journal. No goroutine is left.
func TestShipPassesErrorsOn(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r, name := fresh(t)
	defer r.Close()
	broken := errors.New("disk")
	source := func(context.Context, int64) iter.Seq2[journal.Frame, error] {
		return func(yield func(journal.Frame, error) bool) {
			_ = yield(journal.Frame{End: 1, Body: journal.Entries{Worker: 0, First: 1, Raw: raw(0, 1, 2)}}, nil) &&
				yield(journal.Frame{End: 2, Body: journal.Entries{Worker: 0, First: 9, Raw: raw(0, 9, 2)}}, nil) &&
				yield(journal.Frame{}, broken)
		}
	}
	if err := r.Ship(t.Context(), repo.Shipment{Header: header(run, 1), Source: source}); !errors.Is(err, broken) {
		t.Errorf("%v, want the source's error", err)
	}
	if got := value(t, name, "select string_agg(seq || '+' || n, ' ' order by seq) from pgrpo.ledger"); got != "1+2 9+2" {
		t.Errorf("blocks %s", got)
	}
}
