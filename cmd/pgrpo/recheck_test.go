package main

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare/report"
)

// sameFindings is what recheck says where the findings are those that were kept.
const sameFindings = "are those that were kept, byte for byte"

// runIn is the directory of the only run below a run directory.
func runIn(t *testing.T, runDir string) string {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(runDir, "*", "run.json"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs in %s: %v, %v", runDir, runs, err)
	}
	return filepath.Dir(runs[0])
}

// A lossy failover is judged again when its servers are gone: the findings and
// report.json come out the same, byte for byte, the times included.
func TestRecheckOfALossyFailover(t *testing.T) {
	for _, payload := range []string{"--full-data-validation=false", "--full-data-validation"} {
		t.Run(payload, func(t *testing.T) {
			runDir := t.TempDir()
			live := pgrpo(t, "demo", "--run-dir", runDir, "--parallel-workers=3", "--rate=300", "--warmup-duration=1s", "--duration=4s",
				"--unsafe-duration=1500ms", "--detect-duration=0", "--evidence", payload)
			if live.status != exitBreached {
				t.Fatalf("status %d, want %d", live.status, exitBreached)
			}
			run := runIn(t, runDir)
			kept, err := os.ReadFile(filepath.Join(run, "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			again := pgrpo(t, "recheck", run, "--report", "json")
			if again.status != exitBreached || again.stdout != string(kept) || !strings.Contains(again.stderr, sameFindings) {
				t.Errorf("status %d, want %d, report.json as it was, and the same findings", again.status, exitBreached)
			}
			again = pgrpo(t, "recheck", filepath.Join(run, "evidence"))
			if beforeFiles(again.stdout) != beforeFiles(live.stdout) || again.status != exitBreached {
				t.Errorf("status %d, want %d and the text that was printed", again.status, exitBreached)
			}
			again = pgrpo(t, "recheck", run, "--max-rpo-transactions=1000000")
			if again.status != exitMet || !strings.Contains(again.stderr, sameFindings) {
				t.Errorf("with a wide limit: status %d, want %d and the same findings", again.status, exitMet)
			}
			again = pgrpo(t, "recheck", run, "--max-rpo-transactions=1000000", "--expect=none")
			if again.status != exitInconclusive || !strings.Contains(again.stderr, sameFindings) {
				t.Errorf("with a fault that was not expected: status %d, want %d and the same findings", again.status, exitInconclusive)
			}
		})
	}
}

// beforeFiles is the text of a report without the line that says where it is.
func beforeFiles(text string) string {
	before, _, _ := strings.Cut(text, "\nFiles")
	return before
}

// A run that was met is met again, and never once its evidence is damaged: the
// damage is named in one line, and nothing is judged.
func TestDamagedEvidenceIsNeverMet(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	if r := pgrpo(t, p.quick(runDir, "--expect=none", "--evidence")...); r.status != exitMet {
		t.Fatalf("status %d, want %d", r.status, exitMet)
	}
	whole := filepath.Join(runIn(t, runDir), "evidence")
	if r := pgrpo(t, "recheck", whole); r.status != exitMet || !strings.Contains(r.stderr, sameFindings) {
		t.Errorf("status %d, want %d and the same findings", r.status, exitMet)
	}
	refused := func(t *testing.T, dir, name string) {
		t.Helper()
		r := pgrpo(t, "recheck", dir)
		if r.status != exitRefused || r.stdout != "" || !strings.Contains(r.stderr, name) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("status %d, want %d and one line that names %s", r.status, exitRefused, name)
		}
	}
	files, err := os.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for what, deed := range map[string]func(b []byte) []byte{
			"a bit is turned": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
			"it is cut":       func(b []byte) []byte { return b[:len(b)*3/4] },
			"it is empty":     func([]byte) []byte { return nil },
		} {
			t.Run(f.Name()+": "+what, func(t *testing.T) {
				dir := copied(t, whole)
				path := filepath.Join(dir, f.Name())
				b, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(path, deed(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				refused(t, dir, f.Name())
			})
		}
		t.Run(f.Name()+": it is missing", func(t *testing.T) {
			dir := copied(t, whole)
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, f.Name())
		})
	}
	t.Run("an extra worker", func(t *testing.T) {
		dir := copied(t, whole)
		if err := os.WriteFile(filepath.Join(dir, "entries.77.gz"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, "entries.77.gz")
	})
	t.Run("no evidence", func(t *testing.T) { refused(t, t.TempDir(), "manifest.json") })
}

// copied is a copy of a directory.
func copied(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "evidence")
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return other
}

// A run that was judged without keeping the evidence can be judged again, and its
// evidence kept then, as often as one likes.
func TestCompareKeepsEvidence(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	if r := pgrpo(t, p.quick(runDir, "--expect=none", "--keep-slot")...); r.status != exitMet {
		t.Fatalf("status %d, want %d", r.status, exitMet)
	}
	run := runIn(t, runDir)
	if r := pgrpo(t, "recheck", run); r.status != exitRefused {
		t.Errorf("status %d, want %d: nothing was kept", r.status, exitRefused)
	}
	for range 2 {
		r := pgrpo(t, "compare", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"),
			"--run-dir", runDir, filepath.Base(run), "--expect=none", "--evidence")
		if r.status != exitMet {
			t.Errorf("compare: status %d, want %d", r.status, exitMet)
		}
		if r := pgrpo(t, "recheck", run); r.status != exitMet || !strings.Contains(r.stderr, sameFindings) {
			t.Errorf("recheck: status %d, want %d and the same findings", r.status, exitMet)
		}
	}
}

// Every directory of evidence in testdata, each of a real run, is judged as it was
// when it was kept.
func TestKeptEvidence(t *testing.T) {
	dirs, err := fs.Glob(os.DirFS("testdata/evidence"), "*")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		status int
		lost   int64
		breaks []string
	}{
		// The servers were killed, and half a second of commits with them.
		"lossy-failover": {exitBreached, 42, []string{"lost_transaction"}},
		// Rows and markers of the survivor were altered behind the run's back.
		"damaged-rows": {exitBreached, 1, []string{
			"lost_transaction", "hole", "alien_row", "witness_disagreement", "torn_transaction",
			"stale_row", "missing_row", "resurrected_row", "corrupt_row",
		}},
	}
	for _, dir := range dirs {
		t.Run(dir, func(t *testing.T) {
			want, known := cases[dir]
			if !known {
				t.Fatal("nothing is asked of it")
			}
			r := pgrpo(t, "recheck", filepath.Join("testdata/evidence", dir), "--report=json")
			if r.status != want.status || !strings.Contains(r.stderr, sameFindings) {
				t.Errorf("status %d, want %d and the same findings", r.status, want.status)
			}
			rep, err := report.Read(strings.NewReader(r.stdout))
			if err != nil {
				t.Fatal(err)
			}
			var breaks []string
			for _, f := range rep.Findings {
				if f.Breaks {
					breaks = append(breaks, f.Class)
				}
			}
			if rep.RPO.Transactions != want.lost || !slices.Equal(breaks, want.breaks) {
				t.Errorf("%d lost, want %d; classes that break %v, want %v", rep.RPO.Transactions, want.lost, breaks, want.breaks)
			}
		})
	}
	if len(dirs) != len(cases) {
		t.Errorf("directories %v, and %d cases", dirs, len(cases))
	}
}

// unpacked is the content of a compressed file.
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
