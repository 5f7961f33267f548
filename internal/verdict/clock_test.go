package verdict_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// A driver's clock is measured before its load and after it, and the judge hears
// of both. Both hosts of this test have one clock; in the middle of the load the
// repo is told that they are an hour apart.
func TestClockReachesTheJudge(t *testing.T) {
	c := config(t)
	c.Warmup, c.Duration = 0, 300*time.Millisecond
	c.Fault = func(ctx context.Context) (err error) {
		conn, err := pgx.Connect(ctx, c.Repo)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close(ctx)) }()
		tag, err := conn.Exec(ctx, "update pgrpo.driver set clock_offset = $1, clock_error = 1 where abs(clock_offset) <= clock_error", int64(time.Hour))
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("%d clocks were measured before the load, and found to go right", tag.RowsAffected())
		}
		return err
	}
	e, err := run.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, problem := range e.Problems {
		t.Error(problem)
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	if _, err := verdict.ReachAndKeep(t.Context(), e, compare.Case{Expect: compare.ExpectNone}, verdict.Keeping{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	evidence, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range evidence.Facts().Drivers {
		if b := d.Clock; b.Offset-b.Error > 0 || b.Offset+b.Error < time.Hour || b.Error > time.Hour {
			t.Errorf("the judge heard %+v, want a bound of both measures", b)
		}
	}
	if len(evidence.Facts().Drivers) != 1 {
		t.Error("the judge heard of no driver")
	}
}
