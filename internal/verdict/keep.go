package verdict

import (
	"errors"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/source"
)

// Keeping says where the evidence of a judgement is kept. Its zero value keeps
// nothing.
type Keeping struct {
	// Dir becomes the directory of the evidence; its parent is there.
	Dir string
	// Version is that of the pgrpo that judges.
	Version string
}

// kept is the evidence as the judge reads it, and what keeps it, if anything
// does.
type kept struct {
	compare.Streams
	// tee is nil where nothing is to be kept, or can be; why says why not.
	tee *source.Tee
	why error
}

// begin begins to keep the evidence. What could not be gathered cannot be kept.
func (k Keeping) begin(c compare.Case, f compare.Facts, from compare.Streams, gathering error) kept {
	switch {
	case k.Dir == "":
		return kept{Streams: from}
	case gathering != nil:
		return kept{Streams: from, why: errors.New("the evidence is not kept: it could not be gathered")}
	}
	tee := source.NewTee(k.Dir, k.Version, c, f, from)
	return kept{Streams: tee, tee: tee}
}

// find keeps a finding.
func (k kept) find(f compare.Finding) {
	if k.tee != nil {
		k.tee.Find(lineOf(f))
	}
}

// end ends what is kept; the error says why nothing is. Where the run's own
// directory was is nothing to keep.
func (k kept) end(t told) error {
	if k.tee == nil {
		return k.why
	}
	t.Dir = ""
	return k.tee.Keep(t)
}
