package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// interruptedAt runs a command that is interrupted as soon as there is a file of
// that pattern.
func interruptedAt(t *testing.T, pattern string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if found, _ := filepath.Glob(pattern); len(found) > 0 {
				cancel(errInterrupted)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	r := pgrpoUntil(ctx, t, args...)
	cancel(nil)
	<-done
	return r
}

// Who interrupts before the load began is told so in one line, and nothing is
// left: no data of an embedded repo, no directory, no slot.
func TestInterruptedBeforeTheLoad(t *testing.T) {
	p := openPair(t)
	// The servers' user must reach it, or their data lies elsewhere.
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if err := errors.Join(os.Chmod(filepath.Dir(temp), 0o755), os.Chmod(temp, 0o777)); err != nil {
		t.Fatal(err)
	}
	// A slot is made when the transactions that run have ended, and the load
	// does not begin before: it cannot outrun the interrupt.
	running, err := pgconn.Connect(t.Context(), p.primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close(context.WithoutCancel(t.Context()))
	if _, err := running.Exec(t.Context(), "begin; select pg_current_xact_id()").ReadAll(); err != nil {
		t.Fatal(err)
	}
	runDir := t.TempDir()
	for _, tc := range []struct {
		name, at string
		args     []string
	}{
		{"embedded repo", filepath.Join(runDir, "*", "repo"), []string{"run", "--primary-pgdsn", p.primary.DSN("postgres")}},
		{"demo", filepath.Join(temp, "pgrpo-[0-9]*"), []string{"demo"}},
		{"run", filepath.Join(runDir, "*", "run.json"), p.quick(runDir)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := interruptedAt(t, tc.at, append(tc.args, "--run-dir", runDir, "--log-level=error")...)
			if r.status != exitInterrupted || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "interrupted before the load began") {
				t.Errorf("status %d, want %d and one line", r.status, exitInterrupted)
			}
			if rest, _ := filepath.Glob(filepath.Join(runDir, "*")); len(rest) > 0 {
				t.Errorf("left behind: %v", rest)
			}
			rest, _ := filepath.Glob(filepath.Join(os.TempDir(), "pgrpo-*"))
			for _, path := range rest {
				if !strings.HasPrefix(filepath.Base(path), "pgrpo-cache-") {
					t.Errorf("left behind: %s", path)
				}
			}
			if rest := left(t, p.primary); rest != "" {
				t.Errorf("left on the primary: %s", rest)
			}
		})
	}
}

// A reader that goes away does not kill pgrpo, which would leave its slot.
func TestReaderGoesAway(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "report", "yesterday")
	cmd.Env = append(os.Environ(), asPgrpo+"=1")
	cmd.Stdout, cmd.Stderr = io.Discard, w
	if err := errors.Join(r.Close(), cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitRefused {
		t.Errorf("%v, want exit status %d", err, exitRefused)
	}
}

// A compare that is interrupted judges nothing, and leaves the report as it was.
func TestInterruptedCompare(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	if r := pgrpo(t, p.quick(runDir, "--expect=none")...); r.status != 0 {
		t.Fatalf("status %d, want 0", r.status)
	}
	reports, err := filepath.Glob(filepath.Join(runDir, "*", "report.json"))
	if err != nil || len(reports) != 1 {
		t.Fatalf("%v, %v", reports, err)
	}
	before, err := os.ReadFile(reports[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	r := pgrpoUntil(ctx, t, "compare", filepath.Base(filepath.Dir(reports[0])), "--run-dir", runDir,
		"--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"))
	if r.status != exitInterrupted {
		t.Errorf("status %d, want %d", r.status, exitInterrupted)
	}
	if after, err := os.ReadFile(reports[0]); err != nil || string(after) != string(before) {
		t.Errorf("the report is another one now: %v", err)
	}
	r = pgrpo(t, "compare", filepath.Base(filepath.Dir(reports[0])), "--run-dir", runDir, "--primary-pgdsn", p.primary.DSN("postgres"))
	if r.status != exitRefused || !strings.Contains(r.stderr, p.repo.Addr()) {
		t.Errorf("without its repo: status %d, want %d and the repo's name", r.status, exitRefused)
	}
}
