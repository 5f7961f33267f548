package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/pgrpo/pgrpo/compare"
)

// Read reads a report that [Report.JSON] wrote. Keys that a later version has
// added are passed over; another schema version is an error.
func Read(in io.Reader) (Report, error) {
	var r Report
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return r, fmt.Errorf("read report: %w", err)
	}
	if r.SchemaVersion != SchemaVersion {
		return r, fmt.Errorf("read report: schema version %d, want %d", r.SchemaVersion, SchemaVersion)
	}
	return r, nil
}

// Judged is the verdict as a value. A word that is none of the verdicts is
// inconclusive.
func (r Report) Judged() compare.Verdict {
	for _, v := range []compare.Verdict{compare.Met, compare.Breached} {
		if r.Verdict == v.String() {
			return v
		}
	}
	return compare.Inconclusive
}
