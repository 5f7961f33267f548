package verdict_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

func jsonOf(t *testing.T, r report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unpacked is the content of a file of evidence.
func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keepsAndRechecks judges once more and keeps the evidence: what is found must be
// what was found without that. Judged again from what was kept, the findings and
// the report must be the same, byte for byte.
func (l *loaded) keepsAndRechecks(payload compare.Payload, live report.Report) {
	l.t.Helper()
	c, found := compare.Case{Expect: compare.ExpectNone, Payload: payload}, l.findings()
	dir := filepath.Join(l.t.TempDir(), "evidence")
	kept, err := verdict.ReachAndKeep(l.t.Context(), l.evidence, c, verdict.Keeping{Dir: dir, Version: "v1"})
	if err != nil {
		l.t.Fatal(err)
	}
	if d := cmp.Diff(found, l.findings()); d != "" {
		l.t.Errorf("findings, where the evidence is kept (-live +kept):\n%s", d)
	}
	live.Run.FinishedAt = kept.Run.FinishedAt
	if d := cmp.Diff(jsonOf(l.t, live), jsonOf(l.t, kept)); d != "" {
		l.t.Errorf("report, where the evidence is kept (-live +kept):\n%s", d)
	}
	evidence, err := source.Open(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	if v := evidence.Version(); v != "v1" {
		l.t.Errorf("kept by version %q", v)
	}
	again, err := verdict.Recheck(evidence, evidence.Case(), kept.Tool.Version)
	if err != nil {
		l.t.Fatal(err)
	}
	if again.Differs != "" || again.Findings != int64(len(found)) {
		l.t.Fatalf("%d findings, judged again %d: %s", len(found), again.Findings, again.Differs)
	}
	if d := cmp.Diff(jsonOf(l.t, kept), jsonOf(l.t, again.Report)); d != "" {
		l.t.Errorf("report (-kept +rechecked):\n%s", d)
	}
	lines := bytes.Split(bytes.TrimSuffix(unpacked(l.t, filepath.Join(dir, "findings.ndjson.gz")), []byte("\n")), []byte("\n"))
	for i, f := range found {
		var line struct {
			Class       string
			Worker, Seq int64
		}
		if err := json.Unmarshal(lines[i], &line); err != nil || line.Class != f.Class || line.Worker != int64(f.Worker) || line.Seq != int64(f.Seq) {
			l.t.Errorf("line %d of the findings is %s, the repo has %s of %d/%d: %v", i, lines[i], f.Class, f.Worker, f.Seq, err)
		}
	}
}

// Evidence that cannot be kept is a reason against a verdict that would be met,
// and makes no verdict go away.
func TestEvidenceThatCannotBeKept(t *testing.T) {
	l := load(t)
	c := compare.Case{Expect: compare.ExpectNone}
	nowhere := verdict.Keeping{Dir: filepath.Join(t.TempDir(), "absent", "evidence")}
	r, err := verdict.ReachAndKeep(t.Context(), l.evidence, c, nowhere)
	if err != nil || r.Judged() != compare.Inconclusive || len(r.Reasons) != 1 || r.Attempts.Acked < 100 {
		t.Errorf("verdict %s, reasons %q, %d acknowledged: %v", r.Verdict, r.Reasons, r.Attempts.Acked, err)
	}
	l.exec("delete from pgrpo.worker_0000 where id = (select max(id) from pgrpo.worker_0000)")
	r, err = verdict.ReachAndKeep(t.Context(), l.evidence, c, nowhere)
	if err != nil || r.Judged() != compare.Breached || len(r.Reasons) != 2 {
		t.Errorf("verdict %s, reasons %q: %v", r.Verdict, r.Reasons, err)
	}
}

// A survivor that was never read is kept as what it is, and a repo that is gone
// leaves nothing to keep.
func TestEvidenceOfWhatCouldNotBeRead(t *testing.T) {
	config := config(t)
	config.Warmup, config.Duration = 0, 1
	e, err := run.Do(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	e.Choice, e.NoSurvivor = compare.Choice{}, os.ErrNotExist
	dir := filepath.Join(t.TempDir(), "evidence")
	kept, err := verdict.ReachAndKeep(t.Context(), e, compare.Case{Expect: compare.ExpectNone}, verdict.Keeping{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := verdict.Recheck(evidence, evidence.Case(), kept.Tool.Version)
	if err != nil || again.Differs != "" {
		t.Errorf("findings differ: %s: %v", again.Differs, err)
	}
	if d := cmp.Diff(jsonOf(t, kept), jsonOf(t, again.Report)); d != "" || kept.Judged() != compare.Inconclusive {
		t.Errorf("verdict %s, report (-kept +rechecked):\n%s", kept.Verdict, d)
	}
	e.Repo.Close()
	gone := filepath.Join(t.TempDir(), "evidence")
	r, err := verdict.ReachAndKeep(t.Context(), e, compare.Case{Expect: compare.ExpectNone}, verdict.Keeping{Dir: gone})
	if err == nil || r.Judged() != compare.Inconclusive {
		t.Errorf("verdict %s without a repo: %v", r.Verdict, err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("evidence of what could not be gathered: %v", err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
