package writer

import (
	"slices"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Through a pooler that shares two server connections among four workers, every
// attempt is acked, rows lie where they belong, and the journal names each
// server connection of a session once.
func TestLoadThroughPooler(t *testing.T) {
	box := sandboxtest.Open(t)
	server, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	pool, err := box.Pooler(t.Context(), "pool", server, map[string]string{"default_pool_size": "2"})
	check(t, err)
	l := prepare(t, server, pool.DSN("postgres"), 4)
	l.start()
	l.untilAcked(400)
	l.stop()
	l.verify()
	if n := l.count(func(e txn.Entry) bool { return e.Outcome != txn.Acked }); n > 0 {
		t.Errorf("%d attempts were not acked", n)
	}
	if n := len(l.conns); n > 8 {
		t.Errorf("%d connections are journalled for four sessions on two server connections", n)
	}
	if slices.IndexFunc(l.entries[0], func(e txn.Entry) bool { return e.Conn != l.entries[0][0].Conn }) < 0 {
		t.Error("the pooler gave worker 0 one server connection only: nothing is proven")
	}
}

// Behind a pooler, an attempt of which no server told is on none: a marker that
// is found later says nothing of the server connection before.
func TestPooledAttemptWithoutAnAnswer(t *testing.T) {
	l, w := connected(t)
	w.session.pooled = true
	check(t, w.attempt(t.Context()))
	check(t, w.session.conn.Close())
	check(t, w.attempt(t.Context()))
	if e := l.entries[0]; e[0].Conn != 1 || e[1].Conn != 0 {
		t.Errorf("connections %d and %d, want 1 and none", e[0].Conn, e[1].Conn)
	}
}

// A pooler lets workers share server connections: the prepared statements of
// two must not have one name.
func TestStatementNamesAreOfTheirText(t *testing.T) {
	texts := map[string]string{}
	for w := range txn.Worker(3) {
		for _, st := range statements(w) {
			if sql, seen := texts[st.name]; seen && sql != st.sql {
				t.Fatalf("%s names %q and %q", st.name, sql, st.sql)
			}
			texts[st.name] = st.sql
		}
	}
	if want := 2 + 3*8; len(texts) != want {
		t.Errorf("%d names, want %d", len(texts), want)
	}
}
