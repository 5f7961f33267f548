package sandbox_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// Two clients of a pool of one share a server connection, and go with it to
// another server.
func TestPoolerSharesAndMoves(t *testing.T) {
	s := sandboxtest.Open(t)
	one, err := s.Primary(t.Context(), "one", nil)
	must(t, err)
	two, err := s.Primary(t.Context(), "two", nil)
	must(t, err)
	p, err := s.Pooler(t.Context(), "pool", one, map[string]string{"default_pool_size": "1"})
	must(t, err)
	ask := func() (pid, port string) {
		t.Helper()
		conn, err := pgconn.Connect(t.Context(), p.DSN("postgres"))
		must(t, err)
		results, err := conn.Exec(t.Context(), "select pg_backend_pid(), inet_server_port()").ReadAll()
		must(t, err)
		must(t, conn.Close(t.Context()))
		return string(results[0].Rows[0][0]), string(results[0].Rows[0][1])
	}
	first, port := ask()
	second, _ := ask()
	if first != second || port != fmt.Sprint(one.Port()) {
		t.Errorf("pids %s and %s at port %s, want one at %d", first, second, port, one.Port())
	}
	must(t, p.Retarget(t.Context(), two))
	if _, port := ask(); port != fmt.Sprint(two.Port()) {
		t.Errorf("port %s after the move, want %d", port, two.Port())
	}
	addr := p.Addr()
	must(t, s.Close())
	if !vanished(addr) {
		t.Error("the pooler is there after Close")
	}
}
