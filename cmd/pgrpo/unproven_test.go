package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// holds keeps a table locked on a server until the end of the test, or until it
// is called.
func holds(t *testing.T, v *sandbox.Server, lock string) (release func()) {
	t.Helper()
	target, err := node.Parse(v.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := node.Connect(t.Context(), target, "holder")
	if err != nil {
		t.Fatal(err)
	}
	release = func() { node.Close(conn) }
	t.Cleanup(release)
	if _, err := conn.Exec(t.Context(), "begin; lock table "+lock).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return release
}

// again judges the run in a run directory once more, as one in which nothing
// happened.
func (p pair) again(t *testing.T, runDir string) result {
	t.Helper()
	return pgrpo(t, "compare", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"),
		"--run-dir", runDir, filepath.Base(runIn(t, runDir)), "--expect=none")
}

// The host of the writers is lost, and with it the end of their ledger: what was
// acknowledged there is neither proven kept nor called lost, and no transaction of
// it is called one that nobody sent.
func TestLedgerLostWithItsHost(t *testing.T) {
	p, runDir := openPair(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], p.quick(runDir, "--duration=10m")...)
	cmd.Env = append(os.Environ(), asPgrpo+"=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const all = "select count(distinct worker) = 3 from pgrpo.ledger"
	for _, err := range []error{untilMarkers(t.Context(), p.primary, 100), untilHolds(t.Context(), p.repo, all)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	release := holds(t, p.repo, "pgrpo.ledger in share mode")
	if err := untilMore(t.Context(), p.primary, 500); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	release()
	if err := os.RemoveAll(filepath.Join(runIn(t, runDir), "journal")); err != nil {
		t.Fatal(err)
	}
	r := p.again(t, runDir)
	for _, why := range []string{"was not closed: its end may be missing", "no account, and may have been acknowledged"} {
		if !strings.Contains(r.stdout, why) {
			t.Errorf("not said: %q", why)
		}
	}
	rep := judged(t, runDir)
	if r.status != exitInconclusive || rep.RPO.Transactions != 0 || rep.Attempts.AccountLost == 0 {
		t.Errorf("status %d, %d lost, %d without account", r.status, rep.RPO.Transactions, rep.Attempts.AccountLost)
	}
	for _, f := range rep.Findings {
		if f.Breaks {
			t.Errorf("%d of class %s: %v", f.Count, f.Class, f.Sample)
		}
	}
	markers, err := p.primary.Value(t.Context(), "select count(*) - 500 > 0 from pgrpo.marker where worker >= 0")
	if acked := rep.Attempts.Acked; err != nil || markers != "t" || acked == 0 {
		t.Errorf("%d acks are known, enough markers there: %s, %v", acked, markers, err)
	}
}

// The only server dies while it is judged, and is still dead when it is to be
// judged once more.
func TestServerThatDiesWhileJudged(t *testing.T) {
	p, runDir := openPair(t), t.TempDir()
	if r := pgrpo(t, p.quick(runDir, "--expect=none", "--keep-slot")...); r.status != exitMet {
		t.Fatalf("status %d, want %d", r.status, exitMet)
	}
	holds(t, p.primary, "pgrpo.worker_0001")
	done := make(chan result, 1)
	go func() { done <- p.again(t, runDir) }()
	err := untilHolds(t.Context(), p.primary,
		"select count(*) > 0 from pg_stat_activity where application_name = 'pgrpo/judge' and wait_event_type = 'Lock'")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, r := range []result{<-done, p.again(t, runDir)} {
		why := []string{"judging stopped: ", "which node survived is not proven"}[i]
		if r.status != exitInconclusive || !strings.Contains(r.stdout, why) || strings.Contains(r.stdout, "RPO       0") {
			t.Errorf("status %d, want %d and %q, and no RPO", r.status, exitInconclusive, why)
		}
	}
	rep := judged(t, runDir)
	if rep.Verdict != "inconclusive" || rep.RPO.Transactions != 0 || !slices.ContainsFunc(rep.Reasons, func(why string) bool {
		return strings.Contains(why, "which is the survivor?")
	}) {
		t.Errorf("verdict %s, %d lost, reasons %q", rep.Verdict, rep.RPO.Transactions, rep.Reasons)
	}
}
