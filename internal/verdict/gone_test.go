package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// Where the repo cannot be read, nothing is said of what is in it.
func TestRepoThatIsGone(t *testing.T) {
	c := config(t)
	c.Warmup, c.Duration = 0, 300*time.Millisecond
	e, err := run.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	e.Repo.Close()
	r, err := verdict.Reach(t.Context(), e, compare.Case{Expect: compare.ExpectNone})
	if err == nil || r.Judged() != compare.Inconclusive {
		t.Errorf("verdict %s, kept: %v", r.Verdict, err)
	}
	reasons := strings.Join(r.Reasons, "\n")
	if !strings.Contains(reasons, "gather the evidence") || strings.Contains(reasons, "missing") || strings.Contains(reasons, "acknowledged") {
		t.Errorf("reasons: %s", reasons)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
