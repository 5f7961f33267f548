package writer

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// bench is one worker with a table of its own and an open session, through a
// relay, to a real server. The test drives it attempt by attempt.
type bench struct {
	*load
	worker *worker
	server *sandbox.Server
	relay  *relay.Relay
	undo   []func()

	mu     sync.Mutex
	spoken strings.Builder
	script relay.Script
}

// sequence is what the attempts of a bench are, one after another: the kinds of
// their operations. The last one is the attempt that the test is about.
type sequence []string

// mix is one that can give the sequence.
func (s sequence) mix() plan.Mix {
	m := plan.Mix{Insert: 100, MaxOps: 1, PayloadBytes: 20}
	for _, kinds := range s {
		m.MaxOps = max(m.MaxOps, len(strings.Fields(kinds)))
		if strings.Contains(kinds, "update") {
			m.Insert, m.Update = 50, 50
		}
	}
	return m
}

// seed is one for which the plan gives the sequence, and then attempts of any
// kind.
func (s sequence) seed(w txn.Worker) uint64 {
	for seed := uint64(1); ; seed++ {
		view, fits := plan.New(s.mix(), seed, 1, w), true
		for _, kinds := range s {
			var got []string
			for _, op := range view.Next().Ops {
				got = append(got, op.Kind.String())
			}
			if fits = strings.Join(got, " ") == kinds; !fits {
				break
			}
			view.Settle(txn.Entry{Outcome: txn.Acked})
		}
		if fits {
			return seed
		}
	}
}

// newBench makes a bench whose attempts are that sequence, and lets all but the
// last of them be acked.
func newBench(t *testing.T, server *sandbox.Server, s sequence, change func(*Config)) *bench {
	t.Helper()
	r, err := relay.Listen(t.Context(), server.Addr())
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	b := &bench{load: prepare(t, server, server.DSNAt(r.Addr(), "postgres"), 1), server: server, relay: r}
	number := txn.Worker(100 + b.config.Run - 1_700_000_000)
	b.config.Workers = []txn.Worker{number}
	_, err = node.Init(t.Context(), b.admin, b.config.Workers)
	check(t, err)
	b.config.Mix, b.config.Seed, b.config.Log = s.mix(), s.seed(number), quiet()
	b.config.ConnectTimeout, b.config.StatementTimeout = patience, patience
	if change != nil {
		change(&b.config)
	}
	b.path = filepath.Join(t.TempDir(), "0.journal")
	b.config.Journal, err = journal.Create(b.path, journal.Header{Run: b.config.Run})
	check(t, err)
	t.Cleanup(func() { check(t, b.config.Journal.Close(context.Background())) })
	r.Script(b.listen)
	b.worker = newWorker(b.config, newGate(), 0, 0)
	t.Cleanup(b.worker.hangUp)
	t.Cleanup(b.restore)
	b.connect()
	for range len(s) - 1 {
		check(t, b.worker.attempt(t.Context()))
	}
	if n := b.count(acked); n != len(s)-1 {
		t.Fatalf("%d of %d attempts before were acked", n, len(s)-1)
	}
	return b
}

// listen keeps what the server says, and lets the row's script decide.
func (b *bench) listen(m relay.Message) relay.Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch m.Type() {
	case '1', '2', 'S': // ParseComplete, BindComplete, ParameterStatus
	default:
		b.spoken.WriteByte(m.Type())
	}
	if b.script == nil {
		return relay.Pass(m)
	}
	return b.script(m)
}

// speak lets a script decide on each message of the server.
func (b *bench) speak(s relay.Script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = s
}

// heard is what the server said since the last call, by the types of the
// messages.
func (b *bench) heard() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.spoken.Reset()
	return b.spoken.String()
}

// connect demands a session.
func (b *bench) connect() {
	b.t.Helper()
	check(b.t, b.worker.connect(b.t.Context()))
	if b.worker.session == nil {
		b.t.Fatalf("no session: %+v", b.probes)
	}
}

// later is done when the attempt has ended, in reverse order.
func (b *bench) later(f func()) { b.undo = append(b.undo, f) }

func (b *bench) restore() {
	for len(b.undo) > 0 {
		last := len(b.undo) - 1
		f := b.undo[last]
		b.undo = b.undo[:last]
		f()
	}
}

// say lets the worker's own session run a statement.
func (b *bench) say(text string) {
	b.t.Helper()
	m, err := (&pgproto3.Query{String: text}).Encode(nil)
	check(b.t, err)
	_, err = b.worker.session.conn.Write(m)
	check(b.t, err)
	for {
		m, err := b.worker.session.from.Receive()
		check(b.t, err)
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			b.t.Fatalf("%s: %s", text, m.Message)
		case *pgproto3.ReadyForQuery:
			return
		}
	}
}

// name is the application_name of the worker's sessions, as a literal.
func (b *bench) name() string {
	return "'" + node.AppName(b.config.Run, b.worker.number) + "'"
}

// table is the worker's own.
func (b *bench) table() string { return "pgrpo." + txn.TableOf(b.worker.number) }

// number asks for one number.
func (b *bench) number(text string) int {
	b.t.Helper()
	rows := b.sql(text)
	n := 0
	_, err := fmt.Sscan(string(rows[0][0]), &n)
	check(b.t, err)
	return n
}

// waits waits until the worker's session waits for something, a wait_event or a
// wait_event_type.
func (b *bench) waits(event string) {
	b.t.Helper()
	until(b.t, "a session that waits for "+event, func() bool {
		return b.number("select count(*) from pg_stat_activity where application_name = "+b.name()+
			" and '"+event+"' in (wait_event, wait_event_type)") > 0
	})
}

// signal calls pg_cancel_backend or pg_terminate_backend on the worker's
// session.
func (b *bench) signal(function string) {
	b.t.Helper()
	b.sql("select " + function + "(pid) from pg_stat_activity where application_name = " + b.name())
}

// gone waits until the server has ended the worker's session.
func (b *bench) gone() {
	b.t.Helper()
	until(b.t, "the end of the session", func() bool {
		return b.number("select count(*) from pg_stat_activity where application_name = "+b.name()) == 0
	})
}

// moment is when a trigger fires.
type moment string

const (
	atOnce   moment = "not deferrable"
	atCommit moment = "deferrable initially deferred"
)

// trigger runs PL/pgSQL for each marker of the bench.
func (b *bench) trigger(when moment, body string) {
	b.t.Helper()
	name := fmt.Sprintf("on_marker_%d", b.config.Run)
	b.sql(fmt.Sprintf("create function %[1]s() returns trigger language plpgsql as $$begin %[2]s; return null; end$$;"+
		"create constraint trigger %[1]s after insert on pgrpo.marker %[3]s for each row when (new.run = %[4]d) execute function %[1]s()",
		name, body, when, b.config.Run))
	b.later(func() { b.sql(fmt.Sprintf("drop function %s() cascade", name)) })
}

// lock lets the marker's transaction wait for a lock that the admin session
// holds until the row's end.
func (b *bench) lock(when moment) {
	b.t.Helper()
	b.trigger(when, "perform pg_advisory_xact_lock(new.run)")
	b.sql(fmt.Sprintf("select pg_advisory_lock(%d)", b.config.Run))
	b.later(b.unlock)
}

func (b *bench) unlock() {
	b.t.Helper()
	b.sql("select pg_advisory_unlock_all()")
}

// truth asks the server, once nothing of the worker's is under way, for the
// marker of an attempt and the number of rows that carry its seq.
func (b *bench) truth(seq txn.Seq) (presence, int) {
	b.t.Helper()
	until(b.t, "the end of what the worker had sent", func() bool {
		return b.number("select count(*) from pg_stat_activity where state <> 'idle' and application_name = "+b.name()) == 0
	})
	marker := b.number(fmt.Sprintf("select count(*) from pgrpo.marker where run = %d and worker = %d and seq = %d", b.config.Run, b.worker.number, seq))
	rows := b.number(fmt.Sprintf("select count(*) from %s where run = %d and seq = %d and id > 0", b.table(), b.config.Run, seq))
	if marker == 0 {
		return absent, rows
	}
	return present, rows
}

// plain is an entry without what differs from run to run: LSN and xid are 1
// where there is one.
func plain(e txn.Entry) txn.Entry {
	p := txn.Entry{Conn: e.Conn, State: e.State, Outcome: e.Outcome, Phase: e.Phase, Fault: e.Fault}
	if e.LSN != 0 {
		p.LSN = 1
	}
	if e.Xid != 0 {
		p.Xid = 1
	}
	return p
}

// same fails the test unless two values are equal.
func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Transformer("text", txn.SQLState.String)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// serverMajor is the server's major version.
func serverMajor(t *testing.T, server *sandbox.Server) int {
	t.Helper()
	text, err := server.Value(t.Context(), "select current_setting('server_version_num')::int / 10000")
	check(t, err)
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}
