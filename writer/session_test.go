package writer

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// connected is one worker with an open session, driven by the test itself.
func connected(t *testing.T) (*load, *worker) {
	t.Helper()
	l := prepare(t, shared, shared.DSN("postgres"), 1)
	l.path = filepath.Join(t.TempDir(), "0.journal")
	j, err := journal.Create(l.path, journal.Header{Run: l.config.Run})
	check(t, err)
	l.config.Journal = j
	t.Cleanup(func() { check(t, j.Close(context.Background())) })
	w := newWorker(func() Config { c := l.config; c.Log = quiet(); return c }(), newGate(), 0, 0)
	t.Cleanup(w.hangUp)
	check(t, w.connect(t.Context()))
	if w.session == nil {
		t.Fatal("no session")
	}
	return l, w
}

func TestPoolerSwitchesBackend(t *testing.T) {
	l, w := connected(t)
	before := w.session.record
	w.session.record.Backend++
	clear(w.session.records)
	check(t, w.attempt(t.Context()))
	if e := l.entries[0][0]; e.Outcome != txn.Acked || e.Conn != 2 {
		t.Errorf("entry %+v, want it acked on connection 2", e)
	}
	if c := l.conns[1]; c.Backend != before.Backend || c.Start != before.Start || c.Timeline != before.Timeline {
		t.Errorf("new record %+v, want the backend of %+v", c, before)
	}
	check(t, w.attempt(t.Context()))
	if len(l.conns) != 2 {
		t.Errorf("%d records, want 2", len(l.conns))
	}
}

func TestPoolerSwitchesServer(t *testing.T) {
	l, w := connected(t)
	before := w.session.record
	w.session.record.Start++
	w.session.record.Timeline = 7
	clear(w.session.records)
	check(t, w.attempt(t.Context()))
	if c := l.conns[1]; c.Start != before.Start || c.Timeline != 1 || c.System != before.System || c.Insert == 0 {
		t.Errorf("new record %+v, want the facts of the server %+v", c, before)
	}
	check(t, w.attempt(t.Context()))
	if e := l.entries[0][1]; e.Outcome != txn.Acked || e.Conn != 2 || len(l.conns) != 2 {
		t.Errorf("entry %+v, %d records; want the session to live on", e, len(l.conns))
	}
}

func TestPoolerForgetsStatements(t *testing.T) {
	l, w := connected(t)
	for s := range shapes {
		w.session.composer.prepared[s] = true
	}
	check(t, w.attempt(t.Context()))
	if e := l.entries[0][0]; e.Outcome != txn.InDoubt || e.State.String() != "26000" {
		t.Fatalf("entry %+v, want 26000 in doubt", e)
	}
	if w.session != nil || w.mode != Unnamed {
		t.Fatalf("session %v, mode %v; want a new one without prepared statements", w.session, w.mode)
	}
	check(t, w.connect(t.Context()))
	for range 20 {
		check(t, w.attempt(t.Context()))
	}
	if n := l.count(acked); n != 20 {
		t.Errorf("%d attempts acked, want 20", n)
	}
	l.verify()
}

// A pooler may give a session a server connection that has a statement which
// the session has not prepared on it.
func TestPoolerHasStatementsAlready(t *testing.T) {
	b := newBench(t, shared, many.inserts(), nil)
	m, err := (&pgproto3.Parse{Name: nameOf("begin"), Query: "begin"}).Encode(nil)
	check(t, err)
	_, err = b.worker.session.conn.Write(m)
	check(t, err)
	b.say("select")
	b.send(nil)
	want := judged(txn.Failed, txn.Answered, txn.OtherFault, "42P05")
	want.Conn = 1
	same(t, "entry", plain(b.entries[b.worker.number][0]), want)
	b.survives(lives)
	same(t, "how statements are sent", b.worker.session.composer.mode, Unnamed)
	marker, _ := b.truth(1)
	same(t, "the marker", marker, absent)
	b.goesOn(lives)
}

func TestClosedBeforeTheFirstByte(t *testing.T) {
	l, w := connected(t)
	check(t, w.session.conn.Close())
	check(t, w.attempt(t.Context()))
	if e := l.entries[0][0]; e.Outcome != txn.Failed || e.Phase != txn.NotSent || e.Fault != txn.Reset {
		t.Errorf("entry %+v, want failed and not sent", e)
	}
	if w.session != nil {
		t.Error("a closed connection is kept")
	}
}

func TestTablesGone(t *testing.T) {
	l, w := connected(t)
	l.sql("alter table pgrpo.marker rename to gone")
	defer l.sql("alter table pgrpo.gone rename to marker")
	check(t, w.attempt(t.Context()))
	if e := l.entries[0][0]; e.Outcome != txn.Failed || e.State.String() != "42P01" || e.Phase != txn.Answered {
		t.Errorf("entry %+v, want failed", e)
	}
	if w.session == nil {
		t.Error("the session did not live on")
	}
}

// TestCrashWithLoss loses acked commits for certain: nobody writes their WAL.
func TestCrashWithLoss(t *testing.T) {
	server, err := sandboxtest.Open(t).Primary(t.Context(), "lossy", map[string]string{
		"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_buffers": "64MB",
	})
	check(t, err)
	l := prepare(t, server, server.DSN("postgres"), 2)
	l.config.Mix.PayloadBytes = 10
	l.sql("set synchronous_commit = on; checkpoint")
	l.start()
	l.untilAcked(50)
	_, err = server.HoldWAL(t.Context())
	check(t, err)
	l.untilAcked(l.count(acked) + 50)
	check(t, server.Kill())
	check(t, server.Start(t.Context()))
	l.untilAcked(l.count(acked) + 50)
	l.stop()
	contacts := make([]pg.Contact, 0, len(l.conns))
	absent := 0
	for _, c := range l.conns {
		contacts = append(contacts, c.Contact)
		if c.Marker == pg.Absent {
			absent++
		}
	}
	if absent == 0 {
		t.Errorf("no look found the loss: %+v", l.conns)
	}
	branches, _ := pg.Trace(nil, contacts)
	if len(branches) != 2 || branches[1].Reason != pg.ReasonBackwards {
		t.Errorf("branches %+v, want a second one that went backwards", branches)
	}
}
