package node_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// shared is the primary that the tests of the package share.
var shared *sandbox.Server

func TestMain(m *testing.M) {
	os.Exit(sandboxtest.Main(m, func(v *sandbox.Server) { shared = v }))
}

var databases, roles, runs atomic.Int32

// nextRun is a run number that no other test uses.
func nextRun() txn.Run { return txn.Run(1_700_000_000 + runs.Add(1)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// target parses a DSN.
func target(t testing.TB, dsn string) node.Target {
	t.Helper()
	got, err := node.Parse(dsn)
	check(t, err)
	return got
}

// connect opens a connection that is closed with the test.
func connect(t testing.TB, dsn string) *pgconn.PgConn {
	t.Helper()
	conn, err := node.Connect(t.Context(), target(t, dsn), "node test")
	check(t, err)
	t.Cleanup(func() { node.Close(conn) })
	return conn
}

// database makes an empty database on the shared server and returns its DSN.
func database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("node_%d", databases.Add(1))
	check(t, shared.Exec(t.Context(), "create database "+name))
	return shared.DSN(name)
}

// role makes a role on the shared server and returns its name.
func role(t testing.TB, options string) string {
	t.Helper()
	name := fmt.Sprintf("role_%d", roles.Add(1))
	check(t, shared.Exec(t.Context(), "create role "+name+" "+options))
	return name
}

// as is the DSN for another role.
func as(dsn, role string) string { return strings.Replace(dsn, "//postgres", "//"+role, 1) }

// exec runs SQL and fails the test on an error.
func exec(t testing.TB, conn *pgconn.PgConn, sql string) [][][]byte {
	t.Helper()
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	check(t, err)
	if len(results) == 0 {
		return nil
	}
	return results[len(results)-1].Rows
}

var workers = []txn.Worker{0, 1, 12345}
