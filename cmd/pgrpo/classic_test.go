package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The flags that users of earlier tools know do their one thing and nothing
// else.
func TestClassicFlags(t *testing.T) {
	p := openPair(t)
	flags := []string{"run", "--primary-pgdsn=" + p.primary.DSN("postgres"), "--repo-pgdsn=" + p.repo.DSN("postgres"), "--run-dir=" + t.TempDir()}
	with := func(more ...string) []string { return append(append([]string{}, flags...), more...) }
	if r := pgrpo(t, with("--init", "--parallel-workers=3")...); r.status != 0 {
		t.Errorf("--init: status %d", r.status)
	}
	if n, err := p.primary.Value(t.Context(), "select count(*) from pg_class where relname like 'worker\\_0%' and relkind = 'r'"); err != nil || n != "3" {
		t.Errorf("--init made %s worker tables: %v", n, err)
	}
	if r := pgrpo(t, with("--check-primary-latency")...); r.status != 0 || !strings.HasPrefix(r.stdout, "Primary latency: ") {
		t.Errorf("--check-primary-latency: status %d", r.status)
	}
	if r := pgrpo(t, with("--init", "--reset")...); r.status != 3 || !strings.Contains(r.stderr, "give one of them") {
		t.Errorf("two at once: status %d", r.status)
	}
	if r := pgrpo(t, with("--reset")...); r.status != 0 {
		t.Errorf("--reset: status %d", r.status)
	}
	if n, err := p.primary.Value(t.Context(), "select count(*) from pg_namespace where nspname = 'pgrpo'"); err != nil || n != "0" {
		t.Errorf("--reset left schema pgrpo: %s, %v", n, err)
	}
}

// Each flag is also a variable; the command line outweighs it.
func TestVariables(t *testing.T) {
	p := openPair(t)
	t.Setenv("PGRPO_PRIMARY_PGDSN", p.primary.DSN("postgres"))
	t.Setenv("PGRPO_REPO_PGDSN", p.repo.DSN("postgres"))
	t.Setenv("PGRPO_PARALLEL_WORKERS", "2")
	t.Setenv("PGRPO_WARMUP_DURATION", "0.2")
	t.Setenv("PGRPO_DURATION", "2.1")
	t.Setenv("PGRPO_EXPECT", "fault")
	t.Setenv("PGRPO_RESET", "true") // a run must not become something else by its environment
	dir := t.TempDir()
	begun := time.Now()
	r := pgrpo(t, "run", "--run-dir="+dir, "--expect=none", "--validation-delay=1")
	if r.status != 0 {
		t.Errorf("status %d, want 0: the flag outweighs the variable", r.status)
	}
	if rep := judged(t, dir); rep.Run.Workers != 2 {
		t.Errorf("%d workers, want the variable's 2", rep.Run.Workers)
	}
	if took := time.Since(begun); took < 3100*time.Millisecond {
		t.Errorf("took %v: the validation delay was not waited for", took)
	}
	t.Setenv("PGRPO_DURATION", "soon")
	if r := pgrpo(t, "run", "--run-dir="+dir); r.status != 3 || !strings.Contains(r.stderr, "PGRPO_DURATION") {
		t.Errorf("a bad variable: status %d", r.status)
	}
}

// Workers that wait for the repo send nothing more while it is away, but what was
// under way: one attempt each. They are judged as any other.
func TestSyncRepoMode(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn", p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	s := p.startRun(t, "--async-repo-mode=false")
	if err := p.repo.Freeze(); err != nil {
		t.Fatal(err)
	}
	sent := func() (n int) {
		t.Helper()
		text, err := p.primary.Value(t.Context(), "select count(*) from pgrpo.marker")
		if err == nil {
			_, err = fmt.Sscan(text, &n)
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := sent()
	time.Sleep(2 * time.Second) // what sends on would send far more than that in it
	if ahead := sent() - before; ahead > 3 {
		t.Errorf("3 workers sent %d attempts while the repo was away", ahead)
	}
	if err := p.repo.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := untilMore(t.Context(), p.primary, 20); err != nil {
		t.Fatal(err)
	}
	s.signal(t, os.Interrupt)
	if status := s.status(t); status != exitMet {
		t.Errorf("status %d, want %d", status, exitMet)
	}
	if rep := judged(t, s.runDir); rep.Attempts.Acked == 0 {
		t.Error("nothing was acknowledged")
	}
}

// What a run that did not end in order has left is told of, and dropped by
// reset.
func TestLeftoversAreTold(t *testing.T) {
	p := openPair(t)
	if err := p.primary.Exec(t.Context(), "select pg_create_logical_replication_slot('pgrpo_1700000000', 'pgoutput')"); err != nil {
		t.Fatal(err)
	}
	r := pgrpo(t, p.quick(t.TempDir(), "--expect=none")...)
	if r.status != 0 || !strings.Contains(r.stderr, "slot pgrpo_1700000000 of an earlier run") {
		t.Errorf("status %d", r.status)
	}
	if r := pgrpo(t, "reset", "--primary-pgdsn="+p.primary.DSN("postgres")); r.status != 0 {
		t.Errorf("reset: status %d", r.status)
	}
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left: %s", rest)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "512": 512, "1kB": 1024, "1.5MB": 3 << 19, "2 GB": 2 << 30, "1TB": 1 << 40} {
		var s size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", text, s, err, want)
		}
	}
	for _, bad := range []string{"", "x", "-1", "1XB", "1e30", "GB", "nan", "NaNGB", "inf", "0.5"} {
		var s size
		if err := s.Set(bad); err == nil {
			t.Errorf("%q passed as %d", bad, s)
		}
	}
}
