package selftest_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/selftest"
)

// In real runs all that is planted is found, and nothing else; a judge that drops
// one finding, adds one, or is content without proof is found out.
func TestRealRuns(t *testing.T) {
	binaries, err := sandboxtest.Binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trials, err := selftest.Play(t.Context(), selftest.Config{
		Binaries: binaries, Scenarios: []scenario.Scenario{scenario.CleanSwitchover, scenario.LossyFailover},
		RunDir: t.TempDir(), Seed: 1, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the judge", func(t *testing.T) {
		r, err := selftest.Try(t.Context(), trials, 1, 80, compare.Judge)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + r.Text())
		if !r.Passed() {
			t.Error("the judge does not pass")
		}
		for _, l := range r.Classes {
			if l.Planted == 0 || l.Found != l.Planted || l.Missed != 0 || l.Extra != 0 {
				t.Errorf("%+v", l)
			}
		}
		for _, name := range []string{"acked", "insert", "update", "delete", "new branch with a known fork"} {
			if !slices.ContainsFunc(r.Exercised, func(i selftest.Item) bool { return i.Name == name && min(i.Counts[0], i.Counts[1]) > 0 }) {
				t.Errorf("the runs had no %s: %v", name, r.Exercised)
			}
		}
	})
	t.Run("the same seed", func(t *testing.T) {
		var texts [2]string
		for i := range texts {
			r, err := selftest.Try(t.Context(), trials, 5, 10, compare.Judge)
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = r.Text()
		}
		if texts[0] != texts[1] {
			t.Errorf("it plants this:\n%s\nand then this:\n%s", texts[0], texts[1])
		}
	})
	for name, judge := range map[string]func(compare.Case, compare.Facts, compare.Streams, func(compare.Finding) error) (compare.Result, error){
		"drops":   dropping,
		"adds":    adding,
		"content": content,
	} {
		t.Run("a judge that is wrong: "+name, func(t *testing.T) {
			r, err := selftest.Try(t.Context(), trials, 1, 80, judge)
			if err != nil {
				t.Fatal(err)
			}
			if text := r.Text(); r.Passed() || !strings.Contains(text, "FAILED: ") || strings.Contains(text, "PASSED") {
				t.Errorf("it passes:\n%s", text)
			}
			var b bytes.Buffer
			if err := r.JSON(&b); err != nil {
				t.Fatal(err)
			}
			var read selftest.Report
			if err := json.Unmarshal(b.Bytes(), &read); err != nil || len(read.Wrong) != len(r.Wrong) {
				t.Errorf("%d plots are wrong, %d in JSON: %v", len(r.Wrong), len(read.Wrong), err)
			}
		})
	}
}

// dropping finds no stale row.
func dropping(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
	return compare.Judge(c, f, s, func(f compare.Finding) error {
		if f.Class == compare.StaleRow {
			return nil
		}
		return emit(f)
	})
}

// adding finds a hole with each corrupt row.
func adding(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
	return compare.Judge(c, f, s, func(f compare.Finding) error {
		if f.Class == compare.CorruptRow {
			hole := f
			hole.Class = compare.Hole
			if err := emit(hole); err != nil {
				return err
			}
		}
		return emit(f)
	})
}

// content takes what is not proven for good.
func content(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
	res, err := compare.Judge(c, f, s, emit)
	if res.Verdict == compare.Inconclusive {
		res.Verdict = compare.Met
	}
	return res, err
}
