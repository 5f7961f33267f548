package writer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestLoadLeavesWhatItAcked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  Statements
		mix   plan.Mix
		count int
	}{
		{"one operation", Prepared, plan.Mix{Insert: 40, Update: 30, Delete: 30, MaxOps: 1, PayloadBytes: 20}, 600},
		{"up to eight", Prepared, plan.Mix{Insert: 40, Update: 30, Delete: 30, MaxOps: 8, PayloadBytes: 100}, 600},
		{"unnamed statements", Unnamed, plan.Mix{Insert: 40, Update: 30, Delete: 30, MaxOps: 8}, 200},
		{"huge", Prepared, plan.Mix{Insert: 100, MaxOps: 10_000, PayloadBytes: 50}, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := prepare(t, shared, shared.DSN("postgres"), 3)
			l.config.Statements, l.config.Mix = tt.mode, tt.mix
			l.start()
			l.untilConnected(3)
			l.untilAcked(tt.count)
			l.stop()
			if n := l.count(acked); n != l.count(func(txn.Entry) bool { return true }) {
				t.Errorf("only %d attempts were acked", n)
			}
			l.verify()
			if len(l.conns) != 3 || len(l.probes) != 0 {
				t.Errorf("%d connections and %d probes, want 3 and 0", len(l.conns), len(l.probes))
			}
			seen := make(map[txn.Conn]bool)
			for _, c := range l.conns {
				seen[c.Conn()] = true
				if c.System == 0 || c.Timeline != 1 || c.Start == 0 || c.Backend == 0 || c.Insert == 0 || c.SyncCommit != "on" {
					t.Errorf("connection without its facts: %+v", c)
				}
			}
			if len(seen) != 3 {
				t.Errorf("connections are numbered %v", seen)
			}
		})
	}
}

func TestMarkerIsTheFirstChange(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 1)
	l.config.Mix = plan.Mix{Insert: 40, Update: 30, Delete: 30, MaxOps: 3, PayloadBytes: 10}
	l.sql("select pg_create_logical_replication_slot('first_change', 'test_decoding')")
	defer l.sql("select pg_drop_replication_slot('first_change')")
	l.start()
	l.untilAcked(100)
	l.stop()
	// The server's own transactions, as autovacuum's, change nothing that is decoded.
	rows := l.sql("select left(data, 25) from pg_logical_slot_get_changes('first_change', null, null, 'skip-empty-xacts', '1')")
	begun, seen := false, 0
	for _, r := range rows {
		text := string(r[0])
		if begun && !strings.HasPrefix(text, "table pgrpo.marker:") {
			t.Fatalf("the first change of a transaction is %q", text)
		}
		if begun {
			seen++
		}
		begun = strings.HasPrefix(text, "BEGIN")
	}
	if seen < 100 {
		t.Fatalf("saw %d transactions", seen)
	}
}

func TestRateIsAnOpenLoop(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 4)
	l.config.Rate = 200
	l.start()
	l.untilAcked(100)
	l.stop()
	var last time.Duration
	for w, all := range l.entries {
		for n, e := range all {
			due := newPace(200, int(w), 4).due(int64(n))
			if e.Sent < due {
				t.Fatalf("worker %d attempt %d was sent %v before it was due", w, n, due-e.Sent)
			}
			last = max(last, e.Sent)
		}
	}
	if last < 400*time.Millisecond {
		t.Fatalf("100 attempts at 200 a second took only %v", last)
	}
	l.verify()
}

func TestMiss(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 1)
	l.config.Mix = plan.Mix{Insert: 50, Update: 50, MaxOps: 4, PayloadBytes: 10}
	l.start()
	l.untilAcked(50)
	// An attempt that has locked some of its rows is let go first: no deadlock.
	l.sql(fmt.Sprintf("begin; lock table pgrpo.worker_0000 in share row exclusive mode; delete from pgrpo.worker_0000 where run = %d; commit", l.config.Run))
	until(t, "a miss", func() bool {
		return l.count(func(e txn.Entry) bool { return e.Fault == txn.Miss }) > 0
	})
	l.untilAcked(l.count(acked) + 20)
	l.stop()
	for _, e := range l.entries[0] {
		if e.Fault == txn.Miss && (e.Outcome != txn.Failed || e.State.String() != "22012" || e.Phase != txn.Answered) {
			t.Errorf("a miss is %+v", e)
		}
	}
	if len(l.conns) != 1 {
		t.Errorf("%d connections, want the first one to live on", len(l.conns))
	}
}

func TestTerminatedSessions(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 3)
	l.start()
	for range 8 {
		l.untilAcked(l.count(acked) + 100)
		l.sql(fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgrpo/%d/%%'", l.config.Run))
	}
	l.untilAcked(l.count(acked) + 100)
	l.stop()
	l.verify()
	if l.count(outcomeIs(txn.InDoubt)) == 0 {
		t.Error("no attempt is in doubt")
	}
	looked := 0
	for _, c := range l.conns {
		if c.Marker == pg.Absent {
			t.Errorf("the acked marker is absent: %+v", c)
		}
		if c.Marker == pg.Present && c.Floor != 0 {
			looked++
		}
	}
	if looked < 8 {
		t.Errorf("%d looks at the last acked marker, want one after each loss at least", looked)
	}
}

func TestCancelledWaitForReplication(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 1)
	l.config.StatementTimeout = 10 * time.Second
	check(t, shared.Set(t.Context(), "synchronous_standby_names", "nosuch"))
	defer func() { check(t, shared.Set(t.Context(), "synchronous_standby_names", "")) }()
	// The role's setting would hide the warning.
	l.sql("set synchronous_commit = local; alter role postgres set client_min_messages = error")
	defer l.sql("alter role postgres reset client_min_messages")
	l.start()
	until(t, "a warned commit", func() bool {
		l.sql(fmt.Sprintf("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep' and application_name like 'pgrpo/%d/%%'", l.config.Run))
		return l.count(outcomeIs(txn.AckedUnreplicated)) >= 3
	})
	check(t, shared.Set(t.Context(), "synchronous_standby_names", ""))
	l.untilAcked(20)
	l.stop()
	l.verify()
	for _, c := range l.conns {
		if c.SyncStandbys != "nosuch" {
			t.Errorf("connection with synchronous_standby_names %q", c.SyncStandbys)
		}
	}
}

// TestEatenCommit loses the answer to a commit that the server did: to a COMMIT,
// and to a statement that is its own transaction.
func TestEatenCommit(t *testing.T) {
	for _, tt := range []struct {
		tag    string
		maxOps int
	}{{"COMMIT", 8}, {"SELECT 1", 1}} {
		t.Run(tt.tag, func(t *testing.T) {
			r, err := relay.Listen(t.Context(), shared.Addr())
			check(t, err)
			defer r.Close()
			l := prepare(t, shared, shared.DSNAt(r.Addr(), "postgres"), 1)
			l.config.Mix = plan.Mix{Insert: 100, MaxOps: tt.maxOps, PayloadBytes: 10}
			l.start()
			l.untilAcked(20)
			eaten := r.EatNext(tt.tag)
			until(t, "an eaten "+tt.tag, func() bool {
				select {
				case <-eaten:
					return true
				default:
					return false
				}
			})
			l.untilAcked(l.count(acked) + 20)
			l.stop()
			if n := l.count(outcomeIs(txn.InDoubt)); n != 1 {
				t.Errorf("%d attempts in doubt, want 1", n)
			}
			if n := l.verify(); n != 1 {
				t.Errorf("%d attempts in doubt turned out committed, want 1", n)
			}
		})
	}
}

func TestKillAndRestart(t *testing.T) {
	server := sandboxtest.Primary(t)
	l := prepare(t, server, server.DSN("postgres"), 3)
	l.start()
	l.untilAcked(200)
	check(t, server.Kill())
	until(t, "a refused connect", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, p := range l.probes {
			if p.Fault == txn.Refused {
				return true
			}
		}
		return false
	})
	check(t, server.Start(t.Context()))
	before := l.count(acked)
	l.untilAcked(before + 200)
	l.stop()
	l.admin = reconnect(t, server)
	l.verify()

	starts := make(map[pg.ProcessStart]int)
	looks := make(map[pg.ProcessStart]int)
	for _, c := range l.conns {
		starts[c.Start]++
		if c.Marker == pg.Present {
			looks[c.Start]++
		}
		if c.Marker == pg.Absent {
			t.Errorf("the acked marker is absent: %+v", c)
		}
	}
	if len(starts) != 2 || len(looks) != 1 {
		t.Errorf("connections by process %v, looks %v; want two processes, the second looked at", starts, looks)
	}
	contacts := make([]pg.Contact, 0, len(l.conns))
	for _, c := range l.conns {
		contacts = append(contacts, c.Contact)
	}
	if branches, _ := pg.Trace(nil, contacts); len(branches) != 1 {
		t.Errorf("a crash without loss gave branches %+v", branches)
	}
}

// bearable is far more than the deadline of TestFrozenServer on a machine that is
// busy, and far less than a client that had none would wait.
const bearable = 10 * time.Second

func TestFrozenServer(t *testing.T) {
	server := sandboxtest.Primary(t)
	l := prepare(t, server, server.DSN("postgres"), 2)
	l.config.ConnectTimeout, l.config.StatementTimeout = time.Second, time.Second
	l.start()
	l.untilAcked(50)
	check(t, server.Freeze())
	until(t, "deadlines of all connections and of connects", func() bool {
		ended := l.count(func(e txn.Entry) bool { return e.Outcome != txn.Acked })
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.probes) >= 2 && ended >= len(l.conns)
	})
	check(t, server.Thaw())
	l.untilAcked(l.count(acked) + 50)
	l.stop()
	l.verify()
	for _, p := range l.probes {
		if p.Fault != txn.Timeout || p.Took > bearable {
			t.Errorf("probe of a frozen server: %+v", p)
		}
	}
	for _, all := range l.entries {
		for _, e := range all {
			if e.Outcome == txn.InDoubt && (e.Fault != txn.Timeout || e.Phase != txn.Sent || e.Took > bearable) {
				t.Errorf("attempt on a frozen server: %+v", e)
			}
		}
	}
}

func TestStandbyIsRefused(t *testing.T) {
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	l := prepare(t, primary, standby.DSN("postgres"), 2)
	l.start()
	until(t, "read-only probes", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.probes) >= 4
	})
	if n := l.count(func(txn.Entry) bool { return true }); n != 0 {
		t.Errorf("%d attempts on a standby", n)
	}
	check(t, standby.WaitReplayed(t.Context(), primary)) // the tables
	check(t, primary.Kill())
	check(t, standby.Promote(t.Context()))
	l.untilAcked(50)
	l.stop()
	for _, p := range l.probes {
		if p.Fault != txn.ReadOnly {
			t.Errorf("probe of a standby: %+v", p)
		}
	}
	for _, c := range l.conns {
		if c.Timeline != 2 {
			t.Errorf("connection on timeline %d, want 2", c.Timeline)
		}
	}
}

func TestSeveralHosts(t *testing.T) {
	r, err := relay.Listen(t.Context(), shared.Addr())
	check(t, err)
	defer r.Close()
	dsn := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=postgres dbname=postgres sslmode=disable", r.Port(), shared.Port())
	l := prepare(t, shared, dsn, 2)
	l.start()
	l.untilAcked(20)
	check(t, r.Close())
	l.untilAcked(l.count(acked) + 50)
	l.stop()
	l.verify()
}

func TestFailedJournalEndsTheLoad(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 2)
	l.start()
	l.untilAcked(20)
	// An entry that nobody took a seq for is a history that cannot be.
	l.config.Journal.Account(1000).Put(7, txn.Entry{})
	select {
	case err := <-l.done:
		if err == nil {
			t.Error("the load ended without an error")
		}
	case <-time.After(patience):
		t.Fatal("the load goes on without a journal")
	}
	close(l.done)
	_ = l.config.Journal.Close(t.Context())
}

func TestJournalHasAll(t *testing.T) {
	l := prepare(t, shared, shared.DSN("postgres"), 2)
	l.start()
	l.untilAcked(100)
	l.stop()
	r, err := journal.Open(l.path)
	check(t, err)
	defer r.Close()
	got := make(map[txn.Worker][]txn.Entry)
	for f, err := range r.Frames() {
		check(t, err)
		if block, ok := f.Body.(journal.Entries); ok {
			for i := range block.Len() {
				e, err := block.Decode(i)
				check(t, err)
				got[block.Worker] = append(got[block.Worker], e)
			}
		}
	}
	for w, want := range l.entries {
		same(t, fmt.Sprintf("entries of worker %d in the journal", w), got[w], want)
	}
}
