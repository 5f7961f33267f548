package run

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine may outlive the tests. The sandbox waits for those of servers
// that were started meanwhile.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/pgrpo/pgrpo/internal/sandbox.reap"))
}
