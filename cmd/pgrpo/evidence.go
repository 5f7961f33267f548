package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// evidenceDir is the directory of a run's evidence, in the run's own.
const evidenceDir = "evidence"

// evidenceFlags say whether what was judged is kept.
type evidenceFlags struct{ keep bool }

func (e *evidenceFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&e.keep, "evidence", false, "keep all that was judged in the run's directory, for pgrpo recheck; where it cannot be kept, the verdict is not met")
}

// reach judges the evidence of a run, and keeps it if that was asked for.
func (e *evidenceFlags) reach(ctx context.Context, from *run.Evidence, c compare.Case) (report.Report, error) {
	if !e.keep {
		return verdict.Reach(ctx, from, c)
	}
	return verdict.ReachAndKeep(ctx, from, c, verdict.Keeping{Dir: filepath.Join(from.Place.Dir, evidenceDir), Version: version()})
}
