package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A reset that is interrupted does not say of the repo that it was dropped.
func TestInterruptedReset(t *testing.T) {
	p := openPair(t)
	flags := []string{"--primary-pgdsn=" + p.primary.DSN("postgres"), "--repo-pgdsn=" + p.repo.DSN("postgres")}
	if r := pgrpo(t, append([]string{"init"}, flags...)...); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	holder, err := pgconn.Connect(t.Context(), p.repo.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(t.Context()))
	if _, err := holder.Exec(t.Context(), "begin; lock table pgrpo.run").ReadAll(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for waiting := "0"; waiting == "0" && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			waiting, _ = p.repo.Value(ctx, "select count(*) from pg_stat_activity where application_name = 'pgrpo/repo' and wait_event_type = 'Lock'")
		}
		cancel(errInterrupted)
	}()
	r := pgrpoUntil(ctx, t, append([]string{"reset"}, flags...)...)
	if r.status != exitInterrupted || strings.Contains(r.stderr, p.repo.Addr()+"/postgres\n") {
		t.Errorf("status %d, want %d and nothing dropped of the repo", r.status, exitInterrupted)
	}
	if n, err := p.repo.Value(t.Context(), "select count(*) from pg_namespace where nspname = 'pgrpo'"); err != nil || n != "1" {
		t.Errorf("schema pgrpo on the repo: %s, %v", n, err)
	}
}
