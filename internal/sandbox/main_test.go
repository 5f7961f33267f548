package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// childEnv makes the test binary a process that opens a sandbox and waits to be
// killed.
const childEnv = "PGRPO_SANDBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := child(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child runs two servers, one of them frozen, prints where, and waits. In mode
// "temporary" it runs a pooler too; else the mode is the directory to keep.
func child(mode string) error {
	ctx := context.Background()
	b, err := sandboxtest.Binaries(ctx)
	if err != nil {
		return err
	}
	c := sandbox.Config{Binaries: b}
	if mode != "temporary" {
		c.Dir, c.Lifetime = mode, sandbox.Kept
	}
	s, err := sandbox.Open(ctx, c)
	if err != nil {
		return err
	}
	p, err := s.Primary(ctx, "p", nil)
	if err != nil {
		return err
	}
	frozen, err := s.Primary(ctx, "frozen", nil)
	if err != nil {
		return err
	}
	if err := p.Exec(ctx, "CREATE TABLE t AS SELECT 7 AS x"); err != nil {
		return err
	}
	if err := frozen.Freeze(); err != nil {
		return err
	}
	facts := []string{s.Root(), p.Addr(), frozen.Addr()}
	if mode == "temporary" {
		pooler, err := s.Pooler(ctx, "pooler", p, nil)
		if err != nil {
			return err
		}
		facts = append(facts, pooler.Addr())
	}
	fmt.Println(strings.Join(facts, "\t"))
	time.Sleep(5 * time.Minute) // the parent kills us long before
	return nil
}

// patience is far more than what is waited for takes on a machine that is busy.
const patience = 2 * time.Minute

// within gives a test a deadline.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value asks a server and fails the test if it cannot answer.
func value(t *testing.T, v *sandbox.Server, sql string) string {
	t.Helper()
	got, err := v.Value(t.Context(), sql)
	must(t, err)
	return got
}

// want compares what a server answers.
func want(t *testing.T, v *sandbox.Server, sql, expected string) {
	t.Helper()
	if got := value(t, v, sql); got != expected {
		t.Fatalf("%s: %s = %q, want %q", v.Name(), sql, got, expected)
	}
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
