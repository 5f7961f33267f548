package journal

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childPath names the journal that this program writes when it was started as
// the process to be killed.
const childPath = "PGRPO_TEST_JOURNAL"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
