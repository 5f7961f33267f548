package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/compare/source"
)

// Rechecked is the judgement of kept evidence.
type Rechecked struct {
	Report report.Report
	// Findings is how many there are now. Differs says in words how they are
	// others than those that were kept with the evidence; it is empty where
	// they are the same, byte for byte.
	Findings int64
	Differs  string
}

// Recheck judges kept evidence again, without any server. The case says what is
// asked now; its limits alone may be others than those of the directory, since
// no finding depends on them. Version is that of the pgrpo that judges.
//
// The report is the one that was made when the evidence was kept, its times
// included, but for what is judged otherwise. An error of the evidence while it
// is judged is among its reasons.
func Recheck(d *source.Directory, c compare.Case, version string) (Rechecked, error) {
	var t told
	if err := d.Meta(&t); err != nil {
		return Rechecked{}, err
	}
	t.Version = version
	kept := &keptFindings{}
	kept.next, kept.stop = iter.Pull2(d.Findings())
	defer kept.stop()
	facts := d.Facts()
	result, judging := compare.Judge(c, facts, d, kept.meet)
	if judging != nil {
		// The judge has it among its reasons.
		result.Verdict = compare.Worst(result.Verdict, compare.Inconclusive)
	}
	differs, err := kept.differ(d.Found())
	if err != nil {
		return Rechecked{}, err
	}
	return Rechecked{t.report(c, facts, result), kept.n, differs}, nil
}

// keptFindings sets findings beside those that were kept, as they come.
type keptFindings struct {
	next func() ([]byte, error, bool)
	stop func()
	n    int64
	// first is the number of the first finding that is another, from 1; 0 none.
	first int64
	err   error
}

func (k *keptFindings) meet(f compare.Finding) error {
	line, err := json.Marshal(lineOf(f))
	if err != nil {
		return fmt.Errorf("encode finding: %w", err)
	}
	k.n++
	if k.first != 0 || k.err != nil {
		return nil
	}
	kept, err, more := k.next()
	k.err = err
	if !more || !bytes.Equal(line, kept) {
		k.first = k.n
	}
	return nil
}

// differ says how the findings are others than the kept ones, of which there are
// that many.
func (k *keptFindings) differ(kept int64) (string, error) {
	switch {
	case k.err != nil:
		return "", k.err
	case k.first == 0 && k.n == kept:
		return "", nil
	case k.first == 0:
		k.first = k.n + 1
	}
	return fmt.Sprintf("%d now and %d then, and the first that is another is number %d", k.n, kept, k.first), nil
}
