package run

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What a server answers that was restarted since it was chosen settles nothing:
// another may be the survivor by then.
func TestSettleOnAnotherProcess(t *testing.T) {
	target, err := node.Parse(sandboxtest.Primary(t).DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := node.Connect(t.Context(), target, "run test")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(conn)
	if _, err := node.Init(t.Context(), conn, []txn.Worker{0}); err != nil {
		t.Fatal(err)
	}
	now, err := node.Identify(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	earlier := now
	earlier.Start -= 3600e6
	id := txn.ID{Run: 1, Seq: 1}
	for name, test := range map[string]struct {
		chosen     node.Identity
		unresolved int
	}{"the same process": {now, 0}, "another process": {earlier, 1}} {
		tr := &trial{log: slog.New(slog.DiscardHandler)}
		e := &Evidence{Visits: []Visit{{Target: target, Identity: test.chosen}}, Unresolved: map[txn.ID]string{}}
		tr.settle(t.Context(), e, []txn.ID{id})
		if len(e.Unresolved) != test.unresolved || len(e.Problems) != test.unresolved {
			t.Errorf("%s: unresolved %v, problems %s", name, e.Unresolved, strings.Join(e.Problems, "; "))
		}
	}
}

// A session that shows no worker's name may be one of a pooler's, also where the
// pooler itself does not answer when the nodes are asked: only what was seen
// before the load tells then.
func TestSettleBehindAPoolerThatIsGone(t *testing.T) {
	target, err := node.Parse(sandboxtest.Primary(t).DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	connect := func() *pgconn.PgConn {
		conn, err := node.Connect(t.Context(), target, "somebody")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close(conn) })
		return conn
	}
	conn, busy := connect(), connect()
	if _, err := node.Init(t.Context(), conn, []txn.Worker{0}); err != nil {
		t.Fatal(err)
	}
	now, err := node.Identify(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := busy.Exec(t.Context(), "begin").ReadAll(); err != nil {
		t.Fatal(err)
	}
	id := txn.ID{Run: 1, Seq: 1}
	for pooled, unresolved := range map[bool]int{true: 1, false: 0} {
		tr := &trial{log: slog.New(slog.DiscardHandler)}
		e := &Evidence{
			Record:     Record{Pooled: pooled},
			Visits:     []Visit{{Target: target, Identity: now}, {Target: target, Err: errors.New("the pooler does not answer")}},
			Unresolved: map[txn.ID]string{},
		}
		tr.settle(t.Context(), e, []txn.ID{id})
		if len(e.Unresolved) != unresolved || len(e.Problems) != 0 {
			t.Errorf("pooled %t: unresolved %v, problems %q", pooled, e.Unresolved, e.Problems)
		}
	}
}
