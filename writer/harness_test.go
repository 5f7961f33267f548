package writer

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// shared is the primary that most tests of the package use, each with a run of
// its own.
var shared *sandbox.Server

func TestMain(m *testing.M) {
	os.Exit(sandboxtest.Main(m, func(v *sandbox.Server) { shared = v }))
}

var runs atomic.Int32

// observed is what an observer heard.
type observed struct {
	mu      sync.Mutex
	entries map[txn.Worker][]txn.Entry
	probes  []txn.Probe
	conns   []txn.Connection
}

func (o *observed) Entry(w txn.Worker, seq txn.Seq, e txn.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries[w] = append(o.entries[w], e)
	if int(seq) != len(o.entries[w]) {
		panic("entries out of order")
	}
}

func (o *observed) Probe(p txn.Probe) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.probes = append(o.probes, p)
}

func (o *observed) Connected(c txn.Connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = append(o.conns, c)
}

// count is the number of entries that fit.
func (o *observed) count(fits func(txn.Entry) bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, all := range o.entries {
		for _, e := range all {
			if fits(e) {
				n++
			}
		}
	}
	return n
}

func acked(e txn.Entry) bool { return e.Outcome == txn.Acked }

func outcomeIs(o txn.Outcome) func(txn.Entry) bool {
	return func(e txn.Entry) bool { return e.Outcome == o }
}

// load is a driver under test.
type load struct {
	*observed
	t      testing.TB
	config Config
	path   string
	admin  *pgconn.PgConn
	cancel context.CancelFunc
	done   chan error
}

// prepare makes the schema and the configuration of a driver of n workers whose
// endpoint is dsn; admin is a connection to the server itself.
func prepare(t testing.TB, server *sandbox.Server, dsn string, n int) *load {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// What closes a connection waits for the server, longer than goleak.
		var err error
		for end := time.Now().Add(patience); ; {
			// A server that the test started again is the sandbox's to wait for.
			err = goleak.Find(leaks, goleak.IgnoreAnyFunction("github.com/pgrpo/pgrpo/internal/sandbox.reap"))
			if err == nil || time.Now().After(end) {
				break
			}
		}
		check(t, err)
	})
	ctx := t.Context()
	own, err := node.Parse(server.DSN("postgres"))
	check(t, err)
	admin, err := node.Connect(ctx, own, "test")
	check(t, err)
	t.Cleanup(func() { node.Close(admin) })
	target, err := node.Parse(dsn)
	check(t, err)
	run := txn.Run(1_700_000_000 + runs.Add(1))
	o := &observed{entries: make(map[txn.Worker][]txn.Entry)}
	l := &load{observed: o, t: t, admin: admin, config: Config{
		Target: target, Run: run, Seed: 42, Observer: o,
		Mix:            plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 8, PayloadBytes: 40},
		ConnectTimeout: 10 * time.Second, StatementTimeout: 10 * time.Second,
	}}
	for i := range n {
		l.config.Workers = append(l.config.Workers, txn.Worker(i))
	}
	_, err = node.Init(ctx, admin, l.config.Workers)
	check(t, err)
	check(t, node.EnsureRun(ctx, admin, run, l.config.Seed))
	return l
}

// start lets the driver run; the test ends it, if not sooner by stop.
func (l *load) start() {
	l.path = filepath.Join(l.t.TempDir(), "0.journal")
	j, err := journal.Create(l.path, journal.Header{Run: l.config.Run})
	check(l.t, err)
	l.config.Journal = j
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan error, 1)
	go func() { l.done <- Run(ctx, l.config) }()
	l.t.Cleanup(func() {
		cancel()
		select {
		case <-l.done:
		case <-time.After(time.Second): // stopped by the test already
		}
	})
}

// stop ends the load as a user would and closes the journal.
func (l *load) stop() {
	l.t.Helper()
	l.cancel()
	select {
	case err := <-l.done:
		check(l.t, err)
	case <-time.After(patience):
		l.t.Fatal("the load does not end")
	}
	close(l.done)
	check(l.t, l.config.Journal.Close(l.t.Context()))
}

// patience is far more than anything here takes on a machine that is busy.
const patience = 30 * time.Second

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (l *load) untilAcked(n int) {
	l.t.Helper()
	until(l.t, "acked attempts", func() bool { return l.count(acked) >= n })
}

// untilConnected waits for connections: a worker may be late with its first one.
func (l *load) untilConnected(n int) {
	l.t.Helper()
	until(l.t, "connections", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.conns) >= n
	})
}

// verify holds entries, journal, markers and rows against one another. It
// returns the number of in-doubt attempts that turned out committed.
func (l *load) verify() (committed int) {
	l.t.Helper()
	ctx := l.t.Context()
	snapshot, err := node.Begin(ctx, l.admin)
	check(l.t, err)
	defer snapshot.Close()
	for _, w := range l.config.Workers {
		there := make(map[txn.Seq]txn.Marker)
		for m, err := range snapshot.Markers(ctx, l.config.Run, w) {
			check(l.t, err)
			there[m.Seq] = m
		}
		view := plan.New(l.config.Mix, l.config.Seed, l.config.Run, w)
		rows := make(map[txn.RowID]txn.Row)
		for i, e := range l.entries[w] {
			a := view.Next()
			m, present := there[a.Seq]
			switch {
			case e.Outcome.IsAck() && !present:
				l.t.Errorf("%v: acked, and its marker is absent: %+v", a.ID, e)
			case e.Outcome == txn.Failed && present:
				l.t.Errorf("%v: failed, and its marker is there: %+v", a.ID, e)
			case e.Outcome == txn.InDoubt && present:
				committed++
			}
			if present {
				if want := l.apply(rows, a); m != want {
					l.t.Errorf("marker %+v, want %+v", m, want)
				}
				if e.Outcome.IsAck() && (e.LSN == 0 || e.Xid == 0 || e.Conn == 0) {
					l.t.Errorf("%v: acked without LSN, xid or connection: %+v", a.ID, e)
				}
			}
			delete(there, a.Seq)
			view.Settle(l.entries[w][i])
		}
		if len(there) != 0 {
			l.t.Errorf("worker %d: %d markers without an entry", w, len(there))
		}
		got := make(map[txn.RowID]txn.Row)
		for r, err := range snapshot.Rows(ctx, l.config.Run, w) {
			check(l.t, err)
			got[r.ID] = r
		}
		if d := cmp.Diff(rows, got); d != "" {
			l.t.Errorf("worker %d: rows (-want +got):\n%s", w, d)
		}
	}
	return committed
}

// apply lets an attempt's effects enter the model.
func (l *load) apply(rows map[txn.RowID]txn.Row, a txn.Attempt) txn.Marker {
	m := txn.Marker{ID: a.ID, Ops: int32(len(a.Ops))}
	for _, op := range a.Ops {
		var payload []byte
		if op.Kind != txn.Delete {
			payload = txn.AppendPayload(nil, l.config.Seed, a.ID, op.ID, l.config.Mix.PayloadBytes)
		}
		sum := txn.SumOf(a.ID, op.ID, op.Kind, payload)
		m.Sum ^= sum
		if op.Kind == txn.Delete {
			delete(rows, op.ID)
			continue
		}
		rows[op.ID] = txn.Row{Run: a.Run, ID: op.ID, Seq: a.Seq, Sum: sum}
	}
	return m
}

// sql runs a statement on the admin connection.
func (l *load) sql(text string) [][][]byte {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	results, err := l.admin.Exec(ctx, text).ReadAll()
	check(l.t, err)
	if len(results) == 0 {
		return nil
	}
	return results[len(results)-1].Rows
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reconnect opens another admin connection, for a server that was restarted.
func reconnect(t testing.TB, server *sandbox.Server) *pgconn.PgConn {
	t.Helper()
	target, err := node.Parse(server.DSN("postgres"))
	check(t, err)
	conn, err := node.Connect(t.Context(), target, "test")
	check(t, err)
	t.Cleanup(func() { node.Close(conn) })
	return conn
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
