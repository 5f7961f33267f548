package node_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

func TestParse(t *testing.T) {
	got := target(t, "postgres://me:secret@db1:5433,db2/app?sslmode=prefer")
	if s := got.String(); s != "db1:5433,db2:5432/app" {
		t.Errorf("target is shown as %q", s)
	}
	var hosts []string
	for _, h := range got.Hosts() {
		hosts = append(hosts, h.String())
		if c := h.Config(); c.Password != "secret" || c.ValidateConnect != nil || len(c.Fallbacks) != 1 {
			t.Errorf("host %s: %d fallbacks, want 1 for TLS", h, len(c.Fallbacks))
		}
	}
	if d := cmp.Diff([]string{"db1:5433/app", "db2:5432/app"}, hosts); d != "" {
		t.Errorf("hosts (-want +got):\n%s", d)
	}
	if got.Config().ValidateConnect == nil {
		t.Error("several hosts without a preference for writable ones")
	}
	if target(t, "host=a,b target_session_attrs=any").Config().ValidateConnect != nil {
		t.Error("the DSN's own target_session_attrs does not hold")
	}
	for _, odd := range []string{"postgres://db/a%40b", "dbname=a@b host=db"} {
		if s := target(t, odd).String(); s != "db:5432/a@b" {
			t.Errorf("%s is shown as %q", odd, s)
		}
	}
	if target(t, "host=/tmp port=5 dbname=x").String() != "/tmp:5/x" {
		t.Errorf("socket is shown as %q", target(t, "host=/tmp port=5 dbname=x"))
	}
}

func TestParseRefusesWithoutPassword(t *testing.T) {
	for _, dsn := range []string{"postgres://me:top/secret@db:x/app", "host=a port=b password=secret", "host=a password=secret sslmode=quite",
		"postgres://me@a:1/app,postgres://me:secret@b:2/app", "postgres://me@a/app&password=secret", "postgres://a/app password=secret",
		"postgres://me:12/secret@db/app", "--repo-pgdsn=postgres://me:secret@b/app"} {
		_, err := node.Parse(dsn)
		if trouble.Of(err) != trouble.Refused || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "top") {
			t.Errorf("Parse of a malformed DSN: %v", err)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	ctx := t.Context()
	locked, outsider := role(t, "nologin"), role(t, "login")
	closed := target(t, database(t)).Database()
	check(t, shared.Exec(ctx, "revoke connect on database "+closed+" from public"))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer silent.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	gone := free.Addr().String()
	free.Close()
	at := func(addr, rest string) string { return fmt.Sprintf("postgres://postgres:hush@%s/%s", addr, rest) }
	tests := []struct{ name, dsn, addr, want string }{
		{"refused", at(gone, "postgres?sslmode=disable"), gone, "connection refused"},
		{"timeout", at(silent.Addr().String(), "postgres?sslmode=disable"), silent.Addr().String(), "no answer in time"},
		{"timeout with a choice of TLS", at(silent.Addr().String(), "postgres"), silent.Addr().String(), "no answer in time"},
		{"timeout of TLS", at(silent.Addr().String(), "postgres?sslmode=require"), silent.Addr().String(), "no answer in time"},
		{"unknown host", at("no.such.host.invalid:5432", "postgres"), "no.such.host.invalid:5432", "not known"},
		{"no database", at(shared.Addr(), "absent?sslmode=disable"), shared.Addr(), `no database "absent"`},
		{"may not log in", as(at(shared.Addr(), "postgres?sslmode=disable"), locked), shared.Addr(), "may not"},
		{"may not connect", as(at(shared.Addr(), closed+"?sslmode=disable"), outsider), shared.Addr(), "may not"},
		{"no TLS", at(shared.Addr(), "postgres?sslmode=require"), shared.Addr(), "TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Only the silent server is not waited for.
			wait := 30 * time.Second
			if tt.addr == silent.Addr().String() {
				wait = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			_, err := node.Connect(ctx, target(t, tt.dsn), "test")
			if trouble.Of(err) != trouble.Unavailable {
				t.Fatalf("Connect: %v", err)
			}
			line := err.Error()
			if !strings.Contains(line, tt.want) || !strings.Contains(line, tt.addr) || strings.ContainsAny(line, "\n") || strings.Contains(line, "hush") {
				t.Errorf("Connect: %q, want one line with %q and %q", line, tt.addr, tt.want)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	ctx := t.Context()
	guarded := role(t, "login password 'right'")
	check(t, shared.SetHBA(ctx, "host all "+guarded+" 127.0.0.1/32 scram-sha-256"))
	defer func() { check(t, shared.SetHBA(ctx)) }()
	dsn := fmt.Sprintf("postgres://%s:%%s@%s/postgres?sslmode=disable", guarded, shared.Addr())
	_, err := node.Connect(ctx, target(t, fmt.Sprintf(dsn, "wrong")), "test")
	if trouble.Of(err) != trouble.Unavailable || !strings.Contains(err.Error(), `wrong password for role "`+guarded) {
		t.Errorf("Connect: %v", err)
	}
	conn, err := node.Connect(ctx, target(t, fmt.Sprintf(dsn, "right")), "test")
	check(t, err)
	node.Close(conn)
}

func TestConnectPrefersWritableHost(t *testing.T) {
	box, primary, standby := pair(t)
	_ = box
	dsn := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=postgres dbname=postgres sslmode=disable", standby.Port(), primary.Port())
	conn, err := node.Connect(t.Context(), target(t, dsn), "test")
	check(t, err)
	defer node.Close(conn)
	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	if id.InRecovery || id.Address != primary.Addr() {
		t.Errorf("connected to %s, in recovery: %t", id.Address, id.InRecovery)
	}
}

func TestUnion(t *testing.T) {
	a := target(t, "postgres://u:p@one:1,two:2/db?sslmode=disable")
	b := target(t, "postgres://u:p@three:3/db?sslmode=disable")
	all, err := node.Union([]node.Target{a, b})
	if err != nil || all.String() != "one:1,two:2,three:3/db" {
		t.Errorf("Union = %v, %v", all, err)
	}
	for _, dsn := range []string{"postgres://u:p@x/other", "postgres://v:p@x/db", "postgres://u:hidden@x/db"} {
		if _, err := node.Union([]node.Target{a, target(t, dsn)}); trouble.Of(err) != trouble.Refused || strings.Contains(fmt.Sprint(err), "hidden") {
			t.Errorf("Union with %s: %v", dsn, err)
		}
	}
}
