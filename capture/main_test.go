package capture

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// repoServer holds the repo of all tests.
var repoServer *sandbox.Server

func TestMain(m *testing.M) {
	if code, is := captureAlone(); is {
		os.Exit(code)
	}
	os.Exit(sandboxtest.Main(m, func(v *sandbox.Server) { repoServer = v }))
}

// noLeaks fails the test if goroutines of its own are left at its end. Servers
// started meanwhile are waited for by the sandbox.
func noLeaks(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// What closes a connection waits for the server, longer than goleak.
		var err error
		for end := time.Now().Add(longEnough); ; {
			err = goleak.Find(before, goleak.IgnoreAnyFunction("github.com/pgrpo/pgrpo/internal/sandbox.reap"))
			if err == nil || time.Now().After(end) {
				break
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
}
