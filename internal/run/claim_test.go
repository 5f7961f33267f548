package run

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A record, a repo or a journal of another run is no evidence of this one.
func TestOnlyOneRunIsJudged(t *testing.T) {
	r, err := repo.Open(t.Context(), sandboxtest.Primary(t).DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const number = txn.Run(1795194121)
	record := Record{Run: number, Seed: 7, Mix: plan.Mix{Insert: 100, MaxOps: 1}, Started: time.Unix(int64(number), 123456789)}
	if err := r.AddRun(t.Context(), repo.RunRow{Run: number, Seed: 7, Mix: record.Mix, StartedAt: record.Started}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*trial)
		want   trouble.Kind
	}{
		"its own":        {func(*trial) {}, trouble.Other},
		"a renamed copy": {func(tr *trial) { tr.place.Dir = filepath.Join(t.TempDir(), RunName(number+1)) }, trouble.Refused},
		"not in the repo": {func(tr *trial) {
			tr.record.Run++
			tr.place.Dir = filepath.Join(t.TempDir(), RunName(number+1))
		}, trouble.Refused},
		"another start": {func(tr *trial) { tr.record.Started = record.Started.Add(time.Millisecond) }, trouble.Refused},
		"another seed":  {func(tr *trial) { tr.record.Seed++ }, trouble.Refused},
		"another mix":   {func(tr *trial) { tr.record.Mix.MaxOps++ }, trouble.Refused},
	} {
		tr := &trial{record: record, repo: r, place: Place{filepath.Join(t.TempDir(), RunName(number))}}
		test.change(tr)
		if err := tr.recognize(t.Context()); trouble.Of(err) != test.want || (err == nil) != (test.want == trouble.Other) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "1.journal")
	j, err := journal.Create(path, journal.Header{Run: number + 1, Driver: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := shipWritten(t.Context(), r, number, path); trouble.Of(err) != trouble.Refused {
		t.Errorf("a journal of another run: %v, want a refusal", err)
	}
}
