package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recipe reads the SQL below a heading of docs/rights.md.
func recipe(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "rights.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, opened := strings.Cut(section, "\n```sql\n")
	sql, _, closed := strings.Cut(block, "\n```")
	if !found || !opened || !closed {
		t.Fatalf("docs/rights.md has no SQL below %q", heading)
	}
	return sql
}

// as replaces the superuser of a DSN.
func as(dsn, role string) string { return strings.Replace(dsn, "//postgres@", "//"+role+"@", 1) }

// What docs/rights.md grants is enough for all of a run, the stream included.
func TestLeastRights(t *testing.T) {
	p := openPair(t)
	if err := p.primary.Exec(t.Context(), recipe(t, "The primary")); err != nil {
		t.Fatal(err)
	}
	if err := p.repo.Exec(t.Context(), recipe(t, "The repo")); err != nil {
		t.Fatal(err)
	}
	runDir := t.TempDir()
	args := p.quick(runDir, "--expect=none")
	args[2], args[4] = as(args[2], "pgrpo"), as(args[4], "pgrpo_repo")
	if r := pgrpo(t, args...); r.status != 0 || strings.Contains(r.stderr, "left behind") {
		t.Errorf("status %d, want 0 and nothing left behind", r.status)
	}
	if rep := judged(t, runDir); !rep.Capture.Complete || rep.Capture.Transactions == 0 {
		t.Errorf("capture %+v, want it complete", rep.Capture)
	}
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left on the primary: %s", rest)
	}
	if super, err := p.primary.Value(t.Context(), "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls from pg_roles where rolname = 'pgrpo'"); err != nil || super != "f" {
		t.Errorf("the role has more rights than it needs: %s, %v", super, err)
	}
}

// A role that may make nothing works in what the administrator made.
func TestSchemaOfTheAdministrator(t *testing.T) {
	p := openPair(t)
	printed := pgrpo(t, "init", "--print-sql", "--parallel-workers=3")
	for _, sql := range []string{printed.stdout, recipe(t, "A schema that the administrator makes")} {
		if err := p.primary.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, replication := range []string{"noreplication", "replication"} {
		if err := p.primary.Exec(t.Context(), "alter role pgrpo "+replication); err != nil {
			t.Fatal(err)
		}
		runDir := t.TempDir()
		args := p.quick(runDir, "--expect=none")
		args[2] = as(args[2], "pgrpo")
		if r := pgrpo(t, args...); r.status != 0 || !strings.Contains(r.stdout, "the log is silent") {
			t.Errorf("%s: status %d, want 0 and what stays unproven", replication, r.status)
		}
		if rep := judged(t, runDir); rep.Attempts.Acked == 0 || rep.Capture.Complete {
			t.Errorf("%s: attempts %+v, capture %+v", replication, rep.Attempts, rep.Capture)
		}
	}
}
