package run

import (
	"context"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
)

// measureClock measures the clock that the journal counts on against the repo's.
// Where that fails, what this driver saw is not proven to be earlier or later
// than what another one saw.
func (t *trial) measureClock(ctx context.Context, j *journal.Journal) {
	started := j.Header().Started
	_, err := t.repo.MeasureClock(ctx, t.record.Run, t.driver, func() time.Time { return started.Add(j.Now()) })
	if err != nil {
		t.log.Warn("the clock was not measured against the repo's", "err", err)
	}
}
