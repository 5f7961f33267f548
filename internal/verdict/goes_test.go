package verdict_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// value is the one value that a query gives.
func (l *loaded) value(sql string) string {
	l.t.Helper()
	got, err := l.conn.Exec(l.t.Context(), sql).ReadAll()
	if err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return string(got[0].Rows[0][0])
}

// A survivor that goes away while its rows are read proves nothing, neither then
// nor when the evidence of it is judged again.
func TestSurvivorThatGoesWhileJudged(t *testing.T) {
	l := load(t)
	locker, err := node.Connect(t.Context(), l.config.Primary, "locker")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(locker)
	if _, err := locker.Exec(t.Context(), "begin; lock table pgrpo.worker_0001").ReadAll(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	type judged struct {
		report report.Report
		err    error
	}
	done := make(chan judged, 1)
	go func() {
		r, err := verdict.ReachAndKeep(t.Context(), l.evidence, compare.Case{Expect: compare.ExpectNone}, verdict.Keeping{Dir: dir})
		done <- judged{r, err}
	}()
	const waits = "from pg_stat_activity where application_name = 'pgrpo/judge' and wait_event_type = 'Lock'"
	for deadline := time.Now().Add(30 * time.Second); l.value("select count(*) "+waits) != "1"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the judge did not come to the locked table in time")
		}
	}
	l.value("select pg_terminate_backend(pid) " + waits)
	kept := <-done
	if kept.err != nil || kept.report.Judged() != compare.Inconclusive || kept.report.RPO.Transactions != 0 {
		t.Errorf("verdict %s, %d lost: %v", kept.report.Verdict, kept.report.RPO.Transactions, kept.err)
	}
	if why := strings.Join(kept.report.Reasons, "\n"); !strings.Contains(why, "read the rows of worker 1") {
		t.Errorf("reasons: %s", why)
	}
	evidence, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := verdict.Recheck(evidence, evidence.Case(), kept.report.Tool.Version)
	if err != nil || again.Differs != "" {
		t.Errorf("findings differ: %s: %v", again.Differs, err)
	}
	if d := cmp.Diff(jsonOf(t, kept.report), jsonOf(t, again.Report)); d != "" {
		t.Errorf("report (-kept +rechecked):\n%s", d)
	}
}
