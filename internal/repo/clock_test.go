package repo_test

import (
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// ahead is a clock that is so far ahead of this machine's, which is the repo's
// too.
func ahead(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

func TestMeasureClock(t *testing.T) {
	ctx := t.Context()
	r, _ := fresh(t)
	driver, _, err := r.ClaimDriver(ctx, run, repo.Claim{Host: "here", Pid: 1, Shards: 1, Workers: 1})
	must(t, err)
	stored := func() txn.ClockBound {
		rows, err := r.Drivers(ctx, run)
		must(t, err)
		return rows[0].Clock
	}
	if stored().Measured() {
		t.Errorf("nobody measured it, and it is %+v", stored())
	}
	first, err := r.MeasureClock(ctx, run, driver, ahead(time.Hour))
	must(t, err)
	if off := first.Offset + time.Hour; !first.Measured() || off.Abs() > first.Error || first != stored() {
		t.Errorf("an hour ahead: %+v, stored: %+v", first, stored())
	}
	// Later the clock has lost three hours: the bound covers both.
	both, err := r.MeasureClock(ctx, run, driver, ahead(-2*time.Hour))
	must(t, err)
	if both.Offset-both.Error > -time.Hour || both.Offset+both.Error < 2*time.Hour || both.Error > 2*time.Hour || both != stored() {
		t.Errorf("from an hour ahead to two behind: %+v, stored: %+v", both, stored())
	}
	if _, err := r.MeasureClock(ctx, run, driver+1, time.Now); err == nil {
		t.Error("the clock of a driver that nobody knows was measured")
	}
}

// The shortest round trip counts: all but one take an hour by this clock.
func TestMeasureClockKeepsTheBest(t *testing.T) {
	ctx := t.Context()
	r, _ := fresh(t)
	driver, _, err := r.ClaimDriver(ctx, run, repo.Claim{Host: "here", Pid: 1, Shards: 1, Workers: 1})
	must(t, err)
	looks, jumped := 0, time.Duration(0)
	bound, err := r.MeasureClock(ctx, run, driver, func() time.Time {
		if looks++; looks%2 == 0 && looks != 6 {
			jumped += time.Hour
		}
		return time.Now().Add(jumped)
	})
	must(t, err)
	if off := bound.Offset + 2*time.Hour; bound.Error > time.Minute || off.Abs() > bound.Error {
		t.Errorf("kept %+v", bound)
	}
}
