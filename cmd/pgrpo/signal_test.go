package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// background is a load in a process of its own.
type background struct {
	cmd    *exec.Cmd
	runDir string
	said   *strings.Builder
}

// startRun starts a load of the pair that goes on until it is interrupted, and
// waits until it is under way.
func (p pair) startRun(t *testing.T, more ...string) background {
	t.Helper()
	s := background{runDir: t.TempDir(), said: &strings.Builder{}}
	s.cmd = exec.CommandContext(t.Context(), os.Args[0], p.quick(s.runDir, append([]string{"--expect=none", "--duration=10m"}, more...)...)...)
	s.cmd.Env = append(os.Environ(), asPgrpo+"=1")
	s.cmd.Stderr = s.said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := untilMore(t.Context(), p.primary, 100); err != nil {
		t.Fatal(err)
	}
	return s
}

// signal sends the process a signal.
func (s background) signal(t *testing.T, what os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(what); err != nil {
		t.Fatal(err)
	}
}

// status waits for the end of the process.
func (s background) status(t *testing.T) int {
	t.Helper()
	_ = s.cmd.Wait() // its status is what counts
	t.Logf("status %d\n%s", s.cmd.ProcessState.ExitCode(), s.said)
	return s.cmd.ProcessState.ExitCode()
}

// The first signal ends the load: the run is judged, ends by its verdict, and
// leaves nothing on any server.
func TestLoadInterruptedByASignal(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn", p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	standby := standbyOf(t, p.primary)
	for _, what := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		s := p.startRun(t)
		s.signal(t, what)
		if status := s.status(t); status != exitMet {
			t.Errorf("%v: status %d, want %d", what, status, exitMet)
		}
		if rep := judged(t, s.runDir); rep.Verdict != "met" || !rep.Capture.Complete || rep.Attempts.Acked+rep.Attempts.InDoubt.Total < 100 {
			t.Errorf("%v: verdict %s, capture %+v, attempts %+v", what, rep.Verdict, rep.Capture, rep.Attempts)
		}
		if err := standby.WaitReplayed(t.Context(), p.primary); err != nil {
			t.Fatal(err)
		}
		for _, v := range []*sandbox.Server{p.primary, standby} {
			if rest := left(t, v); rest != "" {
				t.Errorf("%v: left on the %s: %s", what, v.Name(), rest)
			}
		}
	}
}

// The second signal ends the process at once, though its repo does not answer. A
// compare judges the run and drops what it left.
func TestInterruptedTwice(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn", p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	s := p.startRun(t)
	if err := p.repo.Freeze(); err != nil {
		t.Fatal(err)
	}
	s.signal(t, os.Interrupt)
	s.signal(t, syscall.SIGTERM)
	if status := s.status(t); status != exitInterrupted || !strings.Contains(s.said.String(), "pgrpo compare judges the run and drops them") {
		t.Errorf("status %d, want %d and how to go on", status, exitInterrupted)
	}
	if err := p.repo.Thaw(); err != nil {
		t.Fatal(err)
	}
	if left(t, p.primary) == "" {
		t.Error("nothing is left that could be dropped")
	}
	rep := p.compared(t, s)
	if rep.RPO.Transactions != 0 || !rep.Capture.Complete {
		t.Errorf("lost %d, capture %+v", rep.RPO.Transactions, rep.Capture)
	}
	// The first signal may have closed the account before the second came.
	if rep.Verdict == "met" && rep.Attempts.AccountLost > 0 {
		t.Errorf("verdict %s, %d attempts without an account", rep.Verdict, rep.Attempts.AccountLost)
	}
}

// A load whose process is killed while its repo does not answer has confirmed
// nothing to the primary that the repo does not have: the stream goes on there, and
// lacks nothing.
func TestKilledWhileTheRepoIsAway(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn", p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	s := p.startRun(t)
	if err := p.repo.Freeze(); err != nil {
		t.Fatal(err)
	}
	frozen, err := p.primary.Value(t.Context(), "select clock_timestamp()")
	if err != nil {
		t.Fatal(err)
	}
	if err := untilMore(t.Context(), p.primary, 500); err != nil {
		t.Fatal(err)
	}
	// What it confirms by then it confirms while its batches wait.
	err = untilHolds(t.Context(), p.primary, "select coalesce(max(reply_time) > '"+frozen+"'::timestamptz + '3 s', false) from pg_stat_replication where application_name like 'pgrpo/%/capture'")
	if err != nil {
		t.Fatal(err)
	}
	s.signal(t, os.Kill)
	s.status(t)
	if err := p.repo.Thaw(); err != nil {
		t.Fatal(err)
	}
	rep := p.compared(t, s)
	markers, err := p.primary.Value(t.Context(), "select count(*) from pgrpo.marker where worker >= 0")
	if err != nil {
		t.Fatal(err)
	}
	if rep.Verdict == "met" {
		t.Error("the run is met, though its account was not closed")
	}
	if !rep.Capture.Complete || fmt.Sprint(rep.Capture.Transactions) != markers || len(rep.Capture.Gaps) > 0 {
		t.Errorf("%s transactions on the primary, captured: %+v", markers, rep.Capture)
	}
	for _, f := range rep.Findings {
		t.Errorf("%d of class %s: %v", f.Count, f.Class, f.Sample)
	}
}

// compared judges the run of a process that has ended before its time.
func (p pair) compared(t *testing.T, s background) report.Report {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(s.runDir, "*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs: %v, %v", runs, err)
	}
	pgrpo(t, "compare", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"), "--run-dir", s.runDir,
		"--expect=none", filepath.Base(runs[0]))
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left: %s", rest)
	}
	return judged(t, s.runDir)
}
