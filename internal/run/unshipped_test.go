package run_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// lines keeps what is logged as warning or error.
type lines struct {
	mu   sync.Mutex
	kept []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, string(b))
	return len(b), nil
}

// with counts the lines that hold the text.
func (l *lines) with(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.kept {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// A repo that will never take the journal again, however long it is waited for,
// is told of at once and only once, and named in the verdict, which is
// inconclusive. It ends a load whose workers wait for the repo, and no other.
func TestRepoThatTakesNoJournal(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	var servers [2]*sandbox.Server
	for i, name := range []string{"primary", "repo"} {
		var err error
		if servers[i], err = box.Primary(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	primary, repo := servers[0], servers[1]
	target, err := node.Parse(primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	const another, unknown = "the driver belongs to another process", "no such run"
	for i, tc := range []struct {
		name, sql, says string
		mode            run.RepoMode
	}{
		{"in step, another's journal", "update pgrpo.driver set started_ns = started_ns - 1", another, run.SyncRepo},
		{"in step, no such run", "truncate pgrpo.driver, pgrpo.run cascade", unknown, run.SyncRepo},
		{"behind, another's journal", "update pgrpo.driver set started_ns = started_ns - 1", another, run.AsyncRepo},
		{"behind, no such run", "truncate pgrpo.driver, pgrpo.run cascade", unknown, run.AsyncRepo},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			database := fmt.Sprintf("lost_%d", i)
			if err := repo.Exec(ctx, "create database "+database); err != nil {
				t.Fatal(err)
			}
			log := &lines{}
			var endedBy error
			goesOn := func(ctx context.Context) error {
				if tc.mode == run.SyncRepo {
					<-ctx.Done()
					endedBy = ctx.Err()
					return endedBy
				}
				for log.with("ship journal") == 0 {
					if err := pause(ctx); err != nil {
						return err
					}
				}
				const markers = "select count(*) from pgrpo.marker"
				then, err := primary.Value(ctx, markers)
				for now := then; err == nil && now == then; {
					if err := pause(ctx); err != nil {
						return err
					}
					now, err = primary.Value(ctx, markers)
				}
				return err
			}
			e, err := run.Do(ctx, run.Config{
				Primary: target, Repo: repo.DSN(database), RunDir: t.TempDir(), Workers: 2, Rate: 200, RepoMode: tc.mode,
				Mix:    plan.Mix{Insert: 100, MaxOps: 1, PayloadBytes: 20},
				Warmup: 500 * time.Millisecond, Duration: time.Second, Grace: 30 * time.Second, CaptureTimeout: 2 * time.Second, Version: "test",
				Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
				Fault: func(ctx context.Context) error {
					// The load may end before the answer has come.
					if err := execute(context.WithoutCancel(ctx), repo.DSN(database), tc.sql); err != nil {
						return err
					}
					return goesOn(ctx)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				}
			}()
			if tc.mode == run.SyncRepo && endedBy != context.Canceled {
				t.Errorf("the load ended by %v, want canceled", endedBy)
			}
			if n := log.with("ship journal"); n != 1 {
				t.Errorf("logged %d times, want once: %s", n, log.kept)
			}
			// Where the repo does not know the run, it keeps no report.
			r, err := verdict.Reach(ctx, e, compare.Case{})
			if err != nil && tc.says != unknown {
				t.Error(err)
			}
			if r.Judged() != compare.Inconclusive || !strings.Contains(strings.Join(r.Reasons, "\n"), tc.says) {
				t.Errorf("verdict %s, reasons %q, want inconclusive and %q", r.Verdict, r.Reasons, tc.says)
			}
			if strings.Contains(strings.Join(r.Reasons, "\n"), "cause the fault") {
				t.Errorf("the load did not go on: reasons %q", r.Reasons)
			}
		})
	}
}

// pause lets a moment pass.
func pause(ctx context.Context) error {
	select {
	case <-time.After(10 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func execute(ctx context.Context, dsn, sql string) error {
	target, err := node.Parse(dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := node.Connect(ctx, target, "test")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}
