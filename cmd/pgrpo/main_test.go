package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// asPgrpo makes the test binary behave as pgrpo itself, so that a test can kill
// it.
const asPgrpo = "PGRPO_TEST_AS_PGRPO"

func TestMain(m *testing.M) {
	if os.Getenv(asPgrpo) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"pgrpo": main})
}

// result is what one command left.
type result struct {
	status         int
	stdout, stderr string
}

// pgrpo runs one command line in this process.
func pgrpo(t *testing.T, args ...string) result {
	t.Helper()
	return pgrpoUntil(t.Context(), t, args...)
}

func pgrpoUntil(ctx context.Context, t *testing.T, args ...string) result {
	t.Helper()
	if dir := os.Getenv("PGRPO_PG_BINDIR"); dir != "" {
		t.Logf("with the programs in %s", dir)
	}
	var stdout, stderr bytes.Buffer
	status := execute(ctx, args, &stdout, &stderr)
	r := result{status, stdout.String(), stderr.String()}
	t.Logf("pgrpo %s\nstatus %d\n%s\n%s", strings.Join(args, " "), status, r.stdout, r.stderr)
	return r
}

// judged reads the only report below a run directory.
func judged(t *testing.T, runDir string) report.Report {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(runDir, "*", "report.json"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("reports in %s: %v, %v", runDir, paths, err)
	}
	body, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// pair is a primary that may be loaded and a server for the repo.
type pair struct{ primary, repo *sandbox.Server }

func openPair(t *testing.T) pair {
	t.Helper()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := box.Primary(t.Context(), "repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair{primary, repo}
}

// quick is a short load against the pair: a load of more than two seconds goes on
// until something was acknowledged.
func (p pair) quick(runDir string, more ...string) []string {
	return append([]string{
		"run", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"), "--run-dir", runDir,
		"--parallel-workers", "3", "--warmup-duration", "500ms", "--duration", "2100ms",
	}, more...)
}

// left lists what is left of pgrpo on a server: slots and publications.
func left(t *testing.T, v *sandbox.Server) string {
	t.Helper()
	text, err := v.Value(t.Context(), `select coalesce(string_agg(name, ', '), '') from (
		select 'slot ' || slot_name as name from pg_replication_slots where slot_name like 'pgrpo%'
		union all select 'publication ' || pubname from pg_publication) as all_of_it`)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
