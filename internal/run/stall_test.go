package run

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// A repo that answers nothing for a minute is many times the patience of the
// server whose stream is read: it hears of its reader all the time, and nothing
// is lost or doubled.
func TestRepoStallsForAMinute(t *testing.T) {
	t.Parallel()
	tr := newOrdeal(t)
	tr.database = "postgres"
	const stall = time.Minute
	tr.run(1200*time.Millisecond, func(ctx context.Context) error {
		begun := time.Now()
		if err := tr.frozen(ctx, stall); err != nil {
			return err
		}
		if took := time.Since(begun); took < stall {
			t.Errorf("the repo stalled for %v, want %v", took, stall)
		}
		return nil
	})
	log, err := os.ReadFile(tr.primary.LogFile())
	tr.must(err)
	if strings.Contains(string(log), "replication timeout") {
		t.Error("the server has ended its walsender for want of feedback")
	}
}
