package verdict_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// config is a load of a primary of its own, until the context ends it.
func config(t testing.TB) run.Config {
	t.Helper()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := box.Primary(t.Context(), "repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	target, err := node.Parse(primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return run.Config{
		Primary: target, Repo: repo.DSN("postgres"), RunDir: t.TempDir(), Seed: 1, Workers: 4,
		Mix: plan.Mix{Insert: 60, Update: 30, Delete: 10, MaxOps: 2, PayloadBytes: 20}, Duration: time.Hour,
		CaptureTimeout: time.Minute, Leftovers: run.KeepLeftovers, Log: slog.New(slog.DiscardHandler),
	}
}

// untilHolds waits until a server answers with true.
func untilHolds(ctx context.Context, on node.Target, question string) error {
	conn, err := node.Connect(ctx, on, "verdict test")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	for {
		results, err := conn.Exec(ctx, question).ReadAll()
		if err != nil || string(results[0].Rows[0][0]) == "t" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", question, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// elsewhere makes the place of the run of c on another machine: it has the
// record, and no journal.
func elsewhere(t *testing.T, c run.Config) run.Place {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		records, err := filepath.Glob(filepath.Join(c.RunDir, "*", "run.json"))
		if err != nil || len(records) != 1 {
			continue
		}
		body, err := os.ReadFile(records[0])
		if err != nil {
			t.Fatal(err)
		}
		p := run.Place{Dir: filepath.Join(t.TempDir(), filepath.Base(filepath.Dir(records[0])))}
		if err := os.Mkdir(p.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.Dir, "run.json"), body, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatal("the run was not begun in time")
	return run.Place{}
}

// A run that is judged from elsewhere while it goes on is not proven, and what
// is acknowledged after the look at the survivor is not lost.
func TestRunThatGoesOn(t *testing.T) {
	c := config(t)
	// Its own capture has the stream, whose end is waited for in vain.
	c.CaptureTimeout = 2 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loading, done := make(chan struct{}), make(chan error, 1)
	stored, err := node.Parse(c.Repo)
	if err != nil {
		t.Fatal(err)
	}
	c.Fault = func(ctx context.Context) error {
		if err := untilHolds(ctx, stored, "select count(distinct worker) = 4 from pgrpo.ledger"); err != nil {
			return err
		}
		close(loading)
		return nil
	}
	go func() {
		e, err := run.Do(ctx, c)
		if err == nil {
			err = e.Close(context.WithoutCancel(ctx))
		}
		done <- err
	}()
	select {
	case <-loading:
	case err := <-done:
		t.Fatal(err)
	}
	place := elsewhere(t, c)
	here := run.Place{Dir: filepath.Join(c.RunDir, filepath.Base(place.Dir))}
	if _, err := run.Finish(t.Context(), c, here); trouble.Of(err) != trouble.Refused {
		t.Errorf("judged where it goes on: %v, want a refusal", err)
	}
	e, err := run.Finish(t.Context(), c, place)
	if err != nil {
		t.Fatal(err)
	}
	acked := int64(0)
	for range 10 {
		r, err := verdict.Reach(t.Context(), e, compare.Case{Expect: compare.ExpectNone})
		if err != nil {
			t.Fatal(err)
		}
		if r.RPO.Transactions != 0 || r.Judged() != compare.Inconclusive {
			t.Errorf("%d of %d acknowledged are lost, verdict %s: %q", r.RPO.Transactions, r.Attempts.Acked, r.Verdict, r.Reasons)
			break
		}
		acked = r.Attempts.Acked
	}
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if e, err = run.Finish(t.Context(), c, here); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
