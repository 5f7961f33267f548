package repo_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

func TestOpenTwiceAndAtOnce(t *testing.T) {
	name := database(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			r, err := repo.Open(t.Context(), dsn(t, name, "", ""))
			if err != nil {
				t.Error(err)
				return
			}
			r.Close()
		})
	}
	wg.Wait()
	opened(t, dsn(t, name, "", ""))
	if got := value(t, name, "select array_agg(version) from pgrpo.schema_version"); got != "{4}" {
		t.Errorf("versions %s, want one row of 4", got)
	}
}

func TestOpenRefusals(t *testing.T) {
	must(t, server.Exec(t.Context(), "create role plain login password 'another'"))
	must(t, server.SetHBA(t.Context(), "host all stranger 127.0.0.1/32 scram-sha-256"))
	must(t, server.Exec(t.Context(), "create role stranger login password 'another'"))
	newer := database(t)
	opened(t, dsn(t, newer, "", "")).Close()
	change(t, newer, "update pgrpo.schema_version set version = 99")
	primary := database(t)
	change(t, primary, "create schema pgrpo; create table pgrpo.marker (seq bigint)")
	empty := database(t)
	readOnly := database(t)
	must(t, server.Exec(t.Context(), "alter database "+readOnly+" set default_transaction_read_only = on"))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nowhere := closed.Addr().String()
	must(t, closed.Close())

	for _, c := range []struct {
		name, dsn string
		kind      trouble.Kind
		says      []string
	}{
		{"no server", dsn(t, empty, "stranger", nowhere), trouble.Unavailable, []string{nowhere, "refused"}},
		{"no server, asked with and without TLS", strings.Replace(dsn(t, empty, "stranger", nowhere), "sslmode=disable", "sslmode=prefer", 1),
			trouble.Unavailable, []string{nowhere, "refused"}},
		{"wrong password", dsn(t, empty, "stranger", ""), trouble.Unavailable, []string{server.Addr(), "stranger", "28P01"}},
		{"missing database", dsn(t, "nowhere", "", ""), trouble.Unavailable, []string{server.Addr(), "nowhere", "CREATE DATABASE"}},
		{"no right to create", dsn(t, empty, "plain", ""), trouble.Refused, []string{server.Addr(), "GRANT CREATE ON DATABASE", `"plain"`}},
		{"newer schema", dsn(t, newer, "", ""), trouble.Refused, []string{newer, "99"}},
		{"primary's schema", dsn(t, primary, "", ""), trouble.Refused, []string{primary, "pgrpo"}},
		{"read only", dsn(t, readOnly, "", ""), trouble.Refused, []string{readOnly, "no writes"}},
		{"malformed", "postgres://u:a secret word@h:port/db", trouble.Refused, []string{"postgres://user@host:port/database"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := repo.Open(t.Context(), c.dsn)
			if err == nil {
				r.Close()
				t.Fatal("opened")
			}
			if got := trouble.Of(err); got != c.kind {
				t.Errorf("kind %d, want %d: %v", got, c.kind, err)
			}
			text := err.Error()
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not name %q", text, want)
				}
			}
			if strings.Count(text, "connection refused") > 1 {
				t.Errorf("%q says twice what is wrong", text)
			}
			if strings.Contains(text, "secret") || strings.Contains(text, "\n") {
				t.Errorf("%q shows the password or has several lines", text)
			}
		})
	}
	if got := value(t, empty, "select count(*) from pg_namespace where nspname = 'pgrpo'"); got != "0" {
		t.Error("a refused open left a schema behind")
	}
}

// A DBA may make the schema for a user without the right to do so.
func TestOpenWithASchemaMadeBefore(t *testing.T) {
	name := database(t)
	must(t, server.Exec(t.Context(), "create role tenant login password 'another'"))
	change(t, name, "create schema pgrpo authorization tenant")
	r := opened(t, dsn(t, name, "tenant", ""))
	must(t, r.AddRun(t.Context(), row(run)))
	must(t, r.Drop(t.Context()))
}

func TestDropTakesOnlyItsOwn(t *testing.T) {
	r, name := fresh(t)
	change(t, name, "create table public.kept (); create schema other; create table other.kept ()")
	must(t, r.Drop(t.Context()))
	if got := value(t, name, "select array_agg(nspname::text order by nspname) from pg_namespace where nspname in ('pgrpo', 'public', 'other')"); got != "{other,public}" {
		t.Errorf("schemas left: %s", got)
	}
	again := opened(t, dsn(t, name, "", ""))
	must(t, again.AddRun(t.Context(), row(run)))

	change(t, name, "create table pgrpo.foreign_table ()")
	if err := again.Drop(t.Context()); trouble.Of(err) != trouble.Refused {
		t.Errorf("drop with a foreign table: %v, want a refusal", err)
	}
	if got := value(t, name, "select to_regclass('pgrpo.foreign_table') is not null"); got != "true" {
		t.Error("the foreign table was dropped")
	}
}
