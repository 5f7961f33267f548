package repo_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// run is the run of tests that need only one.
const run txn.Run = 1795194121

var (
	server    *sandbox.Server
	databases atomic.Int32
)

func TestMain(m *testing.M) {
	os.Exit(sandboxtest.Main(m, func(v *sandbox.Server) { server = v }))
}

// database makes an empty database and returns its name.
func database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("repo_%d", databases.Add(1))
	if err := server.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// dsn is the DSN of a database on the shared server, as another user or through
// another address where these are not empty.
func dsn(t testing.TB, database, user, address string) string {
	t.Helper()
	u, err := url.Parse(server.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, "a secret word")
	}
	if address != "" {
		u.Host = address
	}
	return u.String()
}

// opened opens a repo, closed with the test.
func opened(t testing.TB, dsn string) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// fresh is a new repo that has the run, and its database.
func fresh(t testing.TB) (*repo.Repo, string) {
	t.Helper()
	name := database(t)
	r := opened(t, dsn(t, name, "", ""))
	must(t, r.AddRun(t.Context(), row(run)))
	return r, name
}

func row(n txn.Run) repo.RunRow {
	return repo.RunRow{
		Run: n, Seed: 1<<63 + 7, System: 1<<63 + 1, Mix: plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 100},
		StartedAt: time.Unix(int64(n), 0).UTC(), Config: []byte(`{"workers": 8}`), Version: "1.0.0",
	}
}

// value reads one value of the database, as text.
func value(t testing.TB, database, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn(t, database, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var text string
	if err := conn.QueryRow(t.Context(), "select ("+sql+")::text").Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// change runs statements in the database.
func change(t testing.TB, database, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn(t, database, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
