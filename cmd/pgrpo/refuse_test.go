package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// Each bad input gets one line that says what, where and what to do, its exit
// status, and leaves nothing behind: testdata/script/refuse.txtar is the table.
func TestBadInput(t *testing.T) {
	p := openPair(t)
	box := sandboxtest.Open(t)
	replica, err := box.Primary(t.Context(), "replica", map[string]string{"wal_level": "replica"})
	if err != nil {
		t.Fatal(err)
	}
	standby := standbyOf(t, p.primary)
	for _, sql := range []string{
		"create role closed login password 'secret-of-closed'",
		"create role plain login replication",
		"create role reader login",
	} {
		if err := p.primary.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.primary.SetHBA(t.Context(), "host all closed 127.0.0.1/32 scram-sha-256", "host all all 127.0.0.1/32 trust",
		"host replication all 127.0.0.1/32 trust", "local all all trust"); err != nil {
		t.Fatal(err)
	}
	as := func(user string) string {
		return strings.Replace(p.primary.DSN("postgres"), "postgres@", user+"@", 1)
	}
	// The scripts run in parallel: only the end of a test around them is theirs.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/script",
			Setup: func(e *testscript.Env) error {
				e.Setenv("PRIMARY", p.primary.DSN("postgres"))
				e.Setenv("PRIMARY_ADDR", p.primary.Addr())
				e.Setenv("REPO", p.repo.DSN("postgres"))
				e.Setenv("REPO_ADDR", p.repo.Addr())
				e.Setenv("NOREPO", p.repo.DSN("nosuch"))
				e.Setenv("NOROLE", as("nobody"))
				e.Setenv("NODATABASE", p.primary.DSN("nosuch"))
				e.Setenv("CLOSED", strings.Replace(as("closed"), "closed@", "closed:hidden@", 1))
				e.Setenv("READER", as("reader"))
				e.Setenv("STANDBY", standby.DSN("postgres"))
				e.Setenv("STANDBY_ADDR", standby.Addr())
				e.Setenv("REPLICA", replica.DSN("postgres"))
				e.Setenv("REPLICA_ADDR", replica.Addr())
				e.Setenv("DEAD", "postgres://postgres@127.0.0.1:1/postgres?sslmode=disable")
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"refused": refused},
		})
	})
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left on the primary: %s", rest)
	}
	n, err := p.primary.Value(t.Context(), "select count(*) from pg_namespace where nspname = 'pgrpo'")
	if err != nil || n != "0" {
		t.Errorf("schemas of pgrpo left on the primary: %s, %v", n, err)
	}
}

// refused is the command "refused STATUS ARGS...": pgrpo with these arguments
// ends with that status, one line on standard error, nothing on standard output,
// no password shown, and nothing left in the run directory.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: refused STATUS ARGS...")
	}
	runs := ts.MkAbs("runs")
	line := append(slices.Clone(args[1:]), "--log-level=error")
	if !strings.Contains(strings.Join(line, " "), "--run-dir") && slices.Contains([]string{"run", "demo", "compare", "report"}, args[1]) {
		line = append(line, "--run-dir="+runs)
	}
	err := ts.Exec("pgrpo", line...)
	status := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("status %d, want %s", status, args[0])
	}
	out, said := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	switch {
	case out != "":
		ts.Fatalf("on standard output: %s", out)
	case strings.Count(said, "\n") != 1:
		ts.Fatalf("%d lines, want one", strings.Count(said, "\n"))
	case strings.Contains(said, "hidden"):
		ts.Fatalf("a password is shown")
	}
	if rest, _ := filepath.Glob(filepath.Join(runs, "*")); len(rest) > 0 {
		ts.Fatalf("left behind: %v", rest)
	}
}

func standbyOf(t *testing.T, primary *sandbox.Server) *sandbox.Server {
	t.Helper()
	v, err := sandboxOf(t).Standby(t.Context(), "standby", primary, "")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sandboxOf(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	return sandboxtest.Open(t)
}

// Without the right to replicate the run goes on, and says what stays unproven.
func TestWithoutReplicationRight(t *testing.T) {
	p := openPair(t)
	for _, sql := range []string{"create role loader login", "grant create on database postgres to loader"} {
		if err := p.primary.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	runDir := t.TempDir()
	args := p.quick(runDir, "--expect=none")
	args[2] = strings.Replace(args[2], "postgres@", "loader@", 1)
	r := pgrpo(t, args...)
	if r.status != 0 {
		t.Errorf("status %d, want 0", r.status)
	}
	rep := judged(t, runDir)
	if rep.Witnesses.Log.Heard || rep.Capture.Complete {
		t.Errorf("the log is heard: %+v", rep.Witnesses.Log)
	}
	if !strings.Contains(r.stdout, "may not replicate") {
		t.Error("the text does not say what stays unproven")
	}
}

// init and reset are idempotent, and reset drops only pgrpo's own.
func TestInitAndReset(t *testing.T) {
	p := openPair(t)
	flags := []string{"--primary-pgdsn=" + p.primary.DSN("postgres"), "--repo-pgdsn=" + p.repo.DSN("postgres")}
	for range 2 {
		if r := pgrpo(t, append([]string{"init"}, flags...)...); r.status != 0 {
			t.Fatalf("init: status %d", r.status)
		}
	}
	if err := p.primary.Exec(t.Context(), "create table public.mine (id int); create publication other for table public.mine"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := pgrpo(t, append([]string{"reset"}, flags...)...); r.status != 0 {
			t.Fatalf("reset: status %d", r.status)
		}
	}
	for _, v := range []*sandbox.Server{p.primary, p.repo} {
		n, err := v.Value(t.Context(), "select count(*) from pg_namespace where nspname = 'pgrpo'")
		if err != nil || n != "0" {
			t.Errorf("schema pgrpo on %s: %s, %v", v.Name(), n, err)
		}
	}
	n, err := p.primary.Value(t.Context(), "select (select count(*) from pg_publication where pubname = 'other') + (select count(*) from pg_class where relname = 'mine')")
	if err != nil || n != "2" {
		t.Errorf("what is not pgrpo's: %s, %v", n, err)
	}
}

func TestPrintSQL(t *testing.T) {
	p := openPair(t)
	r := pgrpo(t, "init", "--print-sql", "--parallel-workers=2")
	if r.status != 0 || !strings.Contains(r.stdout, "worker_0001") {
		t.Fatal("no SQL")
	}
	if err := p.primary.Exec(t.Context(), r.stdout); err != nil {
		t.Fatal(err)
	}
	if err := p.primary.Exec(t.Context(), fmt.Sprintf("select seq, run, worker, ops, crc from %s.marker", "pgrpo")); err != nil {
		t.Error(err)
	}
}
