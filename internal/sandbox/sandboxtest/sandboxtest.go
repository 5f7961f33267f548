// Package sandboxtest gives tests real PostgreSQL servers. A test that needs a
// server fails where there is none.
//
// The installation is the one in PGRPO_PG_BINDIR, else the newest found;
// PGRPO_TEST_PG_MAJOR, such as "17", demands that major version.
package sandboxtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// Open opens a temporary sandbox that is closed with the test.
func Open(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	b, err := Binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.Open(t.Context(), sandbox.Config{Binaries: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Primary opens a temporary sandbox with one running primary.
func Primary(t testing.TB) *sandbox.Server {
	t.Helper()
	v, err := Open(t).Primary(t.Context(), "primary", nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Main runs the tests of a package around one primary that they share, and
// returns the code to exit with. It is for TestMain, which hands the server on:
//
//	func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, func(v *sandbox.Server) { shared = v })) }
func Main(m *testing.M, use func(*sandbox.Server)) (code int) {
	ctx := context.Background()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	b, err := Binaries(ctx)
	if err != nil {
		return fail(err)
	}
	s, err := sandbox.Open(ctx, sandbox.Config{Binaries: b})
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			code = fail(err)
		}
	}()
	v, err := s.Primary(ctx, "primary", nil)
	if err != nil {
		return fail(err)
	}
	use(v)
	return m.Run()
}

// Binaries is the installation that tests use.
func Binaries(ctx context.Context) (sandbox.Binaries, error) {
	found, err := sandbox.Find(ctx, os.Getenv("PGRPO_PG_BINDIR"))
	if err != nil {
		return sandbox.Binaries{}, err
	}
	want := os.Getenv("PGRPO_TEST_PG_MAJOR")
	if want == "" {
		return found[0], nil
	}
	major, err := strconv.Atoi(want)
	if err != nil {
		return sandbox.Binaries{}, fmt.Errorf("read PGRPO_TEST_PG_MAJOR: %w", err)
	}
	for _, b := range found {
		if b.Major == major {
			return b, nil
		}
	}
	return sandbox.Binaries{}, fmt.Errorf("find PostgreSQL %d, as PGRPO_TEST_PG_MAJOR demands: found only %v", major, found)
}
