//go:build oldservers

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// oldVariable lists directories of server programs that are too old for something.
// make test-all brings them: no package manager has them, so that this test is built
// for it alone.
const oldVariable = "PGRPO_TEST_OLD_PG_BINDIRS"

// A server of version 12 is refused as the primary, one before 14 as the repo, each
// in one line that says which version is wanted. 13 is old enough for a primary.
func TestOldServersAreRefused(t *testing.T) {
	dirs := filepath.SplitList(os.Getenv(oldVariable))
	if len(dirs) == 0 {
		t.Fatalf("%s names no server's programs", oldVariable)
	}
	p := openPair(t)
	for _, dir := range dirs {
		// The sandbox does not look for servers that old.
		box, err := sandbox.Open(t.Context(), sandbox.Config{Binaries: sandbox.Binaries{Dir: dir, Major: 12, Version: "12"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		})
		old, err := box.Primary(t.Context(), "old", nil)
		if err != nil {
			t.Fatal(err)
		}
		version, err := old.Value(t.Context(), "show server_version")
		if err != nil {
			t.Fatal(err)
		}
		major, _, _ := strings.Cut(version, ".")
		try := func(primary, repo *sandbox.Server) result {
			return pgrpo(t, pair{primary, repo}.quick(t.TempDir(), "--expect=none", "--log-level=error")...)
		}
		refused := func(r result, line string) {
			t.Helper()
			if r.status != exitRefused || r.stderr != "pgrpo: "+line+"\n" {
				t.Errorf("status %d, %q, want %d, %q", r.status, r.stderr, exitRefused, line)
			}
		}
		refused(try(p.primary, old), "use repo "+old.Addr()+"/postgres: PostgreSQL "+major+" is too old for a repo, want 14 or newer")
		r := try(old, p.repo)
		switch major {
		case "12":
			refused(r, "preflight: "+old.Addr()+" runs PostgreSQL "+version+"; 13 or newer is needed")
		default:
			if r.status != exitMet {
				t.Errorf("version %s as the primary: status %d, want %d", version, r.status, exitMet)
			}
		}
		if rest := left(t, old); rest != "" {
			t.Errorf("left on version %s: %s", version, rest)
		}
	}
}
