package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/scenario"
)

// A judge that misses a class fails the selftest: exit status 1, and what was
// missed is named.
func TestSelfTestOfAJudgeThatMisses(t *testing.T) {
	blind := func(c compare.Case, f compare.Facts, s compare.Streams, emit func(compare.Finding) error) (compare.Result, error) {
		return compare.Judge(c, f, s, func(f compare.Finding) error {
			if f.Class == compare.CorruptRow {
				return nil
			}
			return emit(f)
		})
	}
	var stdout, stderr bytes.Buffer
	cmd := selfTestCommand(&logFlags{format: "text", level: "info"}, blind, scenario.LossyFailover)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs([]string{"--rounds", "80", "--run-dir", t.TempDir()})
	err := cmd.ExecuteContext(t.Context())
	t.Log(stdout.String(), stderr.String())
	if v, ok := errors.AsType[verdictError](err); !ok || v.verdict != compare.Breached {
		t.Errorf("error %v", err)
	}
	if out := stdout.String(); !strings.Contains(out, "corrupt_row of worker") || !strings.Contains(out, " was missed\n") || !strings.Contains(out, "\nFAILED: ") {
		t.Error("it does not say what was missed")
	}
}

func TestSelfTestRefusals(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--report", "html"}, {"run"}} {
		if r := pgrpo(t, append([]string{"selftest"}, args...)...); r.status != exitRefused {
			t.Errorf("%v: status %d", args, r.status)
		}
	}
}
