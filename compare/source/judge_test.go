package source

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
)

// judged is a result with its findings and its error, in a form that can be
// compared.
func judged(c compare.Case, f compare.Facts, s compare.Streams) []any {
	var found []compare.Finding
	result, err := compare.Judge(c, f, s, func(f compare.Finding) error {
		found = append(found, f)
		return nil
	})
	return []any{result, found, fmt.Sprint(err)}
}

// The judge says the same of evidence that it reads where it comes from, through
// a tee, and from a directory, whichever stream breaks off.
func TestJudgedAlike(t *testing.T) {
	findings, stopped := 0, 0
	for _, p := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
		c := testCase(p)
		_, f := newMemory()
		for _, s := range append(streams(c, f), stream{}) {
			t.Run(fmt.Sprintf("payload %d, broken is %s", p, s.name()), func(t *testing.T) {
				m, f := newMemory()
				m.broken[s] = true
				want := judged(c, f, m)
				dir := filepath.Join(t.TempDir(), "evidence")
				tee := NewTee(dir, "v0", c, f, m)
				through := judged(c, f, tee)
				if err := tee.Keep(nil); err != nil {
					t.Fatal(err)
				}
				d, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(through, judged(d.Case(), d.Facts(), d)); d != "" {
					t.Errorf("(-through the tee +from the directory):\n%s", d)
				}
				if s.kind == rows {
					return // where the rows cannot be read, a server may still sum them
				}
				if d := cmp.Diff(want, through); d != "" {
					t.Errorf("(-live +through the tee):\n%s", d)
				}
				findings += len(want[1].([]compare.Finding))
				if want[2] != "<nil>" {
					stopped++
				}
			})
		}
	}
	if findings < 100 || stopped < 10 {
		t.Errorf("%d findings, and %d judgements that were stopped: this proves little", findings, stopped)
	}
}
