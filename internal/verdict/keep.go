package verdict

import (
	"errors"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/source"
)

// keeping is the evidence as the judge reads it, and what keeps it, if anything
// does.
type keeping struct {
	compare.Streams
	// tee is nil where nothing is to be kept, or can be; why says why not.
	tee *source.Tee
	why error
}

// keep begins to keep the evidence in dir, if that is named. What could not be
// gathered cannot be kept.
func keep(dir, version string, c compare.Case, f compare.Facts, from compare.Streams, gathering error) keeping {
	switch {
	case dir == "":
		return keeping{Streams: from}
	case gathering != nil:
		return keeping{Streams: from, why: errors.New("the evidence is not kept: it could not be gathered")}
	}
	tee := source.NewTee(dir, version, c, f, from)
	return keeping{Streams: tee, tee: tee}
}

// find keeps a finding.
func (k keeping) find(f compare.Finding) {
	if k.tee != nil {
		k.tee.Find(lineOf(f))
	}
}

// end ends what is kept; the error says why nothing is. Where the run's own
// directory was is nothing to keep.
func (k keeping) end(t told) error {
	if k.tee == nil {
		return k.why
	}
	t.Dir = ""
	return k.tee.Keep(t)
}
