package verdict

import (
	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
)

// told is what a report tells beside what is judged.
type told struct {
	report.Meta
	Slots []report.Slot
}

// report makes the report of a judgement.
func (t told) report(c compare.Case, f compare.Facts, result compare.Result) report.Report {
	r := report.New(t.Meta, c, f, result)
	r.Slots = append(r.Slots, t.Slots...)
	return r
}
