package verdict

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/run"
)

// Gathered is the evidence of a run as the judge is given it, while the survivor
// is held open at one moment. Its Close must be called.
type Gathered struct {
	Case    compare.Case
	Facts   compare.Facts
	Streams compare.Streams
	Close   func()
}

// Gather reads what is small and opens the rest, without judging it. The context
// bounds the reading of the streams as well. A run without a proven survivor, or
// of which anything cannot be read, is an error.
func Gather(ctx context.Context, e *run.Evidence) (Gathered, error) {
	if e.NoSurvivor != nil {
		return Gathered{}, fmt.Errorf("gather the evidence: %w", e.NoSurvivor)
	}
	if holes := e.Account.Holes; len(holes) > 0 {
		return Gathered{}, fmt.Errorf("gather the evidence: %s", strings.Join(holes, "; "))
	}
	snapshot, done, err := open(ctx, e.Survivor())
	if err != nil {
		return Gathered{}, fmt.Errorf("read the survivor: %w", err)
	}
	f, err := facts(ctx, e, snapshot)
	if err != nil {
		done()
		return Gathered{}, fmt.Errorf("gather the evidence: %w", err)
	}
	return Gathered{
		Case: compare.Case{
			Run: e.Record.Run, Seed: e.Record.Seed, Mix: e.Record.Mix, SegmentBytes: segmentBytes(e.Visits),
		},
		Facts:   f,
		Streams: &source.Live{Context: ctx, Repo: e.Repo, Run: e.Record.Run, Upto: e.Account.Upto, Survivor: snapshot},
		Close:   done,
	}, nil
}
