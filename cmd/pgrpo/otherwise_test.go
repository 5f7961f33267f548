package main

import (
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// keptOtherwise keeps the evidence of a directory in testdata once more: as an
// earlier pgrpo would have that found nothing, and with the streams changed.
func keptOtherwise(t *testing.T, change func(*source.Directory) compare.Streams) string {
	t.Helper()
	was, err := source.Open("testdata/evidence/lossy-failover")
	if err != nil {
		t.Fatal(err)
	}
	var meta json.RawMessage
	if err := was.Meta(&meta); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	if err := source.NewTee(dir, "v0.1", was.Case(), was.Facts(), change(was)).Keep(meta); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Where this pgrpo finds what another one did not, that is said, and the status
// is by what is found now.
func TestRecheckFindsOtherwise(t *testing.T) {
	dir := keptOtherwise(t, func(was *source.Directory) compare.Streams { return was })
	r := pgrpo(t, "recheck", dir)
	for _, word := range []string{"the findings are not those that were kept", "and 0 then", "number 1;", "pgrpo v0.1 kept them"} {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("standard error does not say %q", word)
		}
	}
	if r.status != exitBreached || strings.Contains(r.stderr, sameFindings) {
		t.Errorf("status %d, want %d", r.status, exitBreached)
	}
}

// brokenLedger is evidence whose ledgers break off.
type brokenLedger struct{ compare.Streams }

func (b brokenLedger) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		n := 0
		for e, err := range b.Streams.Entries(w) {
			if n++; n > 10 {
				yield(txn.Entry{}, errors.New("the server went away"))
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Evidence that could not be read to its end when it was kept proves nothing when
// it is judged again.
func TestRecheckOfBrokenEvidence(t *testing.T) {
	dir := keptOtherwise(t, func(was *source.Directory) compare.Streams { return brokenLedger{was} })
	r := pgrpo(t, "recheck", dir, "--max-rpo-transactions=1000000")
	if r.status != exitInconclusive || !strings.Contains(r.stdout, "the server went away") {
		t.Errorf("status %d, want %d and why", r.status, exitInconclusive)
	}
}
