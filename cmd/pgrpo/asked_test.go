package main

import (
	"path/filepath"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
)

// A later judgement asks of a run what the run itself was asked, but for what is
// given anew.
func TestCompareAsksWhatTheRunWasAsked(t *testing.T) {
	p, runDir := openPair(t), t.TempDir()
	if r := pgrpo(t, p.quick(runDir, "--expect=none", "--max-diverged=5", "--full-data-validation")...); r.status != exitMet {
		t.Fatalf("run: status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	again := func(want int, more ...string) {
		t.Helper()
		args := append([]string{"compare", "--primary-pgdsn", p.primary.DSN("postgres"), "--repo-pgdsn", p.repo.DSN("postgres"),
			"--run-dir", runDir, filepath.Base(runIn(t, runDir))}, more...)
		if r := pgrpo(t, args...); r.status != want {
			t.Errorf("compare %v: status %d, want %d: %s%s", more, r.status, want, r.stdout, r.stderr)
		}
	}
	again(exitMet)
	found := judged(t, runDir)
	for _, o := range found.Objectives {
		if o.Name == compare.Diverged && (o.Limit == nil || *o.Limit != 5) {
			t.Errorf("limit of %s: %v, want 5", o.Name, o.Limit)
		}
	}
	if found.Payload != "checked" {
		t.Errorf("payload: %s", found.Payload)
	}
	again(exitInconclusive, "--expect=fault")
}
