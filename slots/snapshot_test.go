package slots

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// A snapshot is read as it was written, and one that is cut, wherever, is refused.
func TestLoad(t *testing.T) {
	s := ready()
	s.Taken = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s.Consumers = map[string]pg.LSN{"s": 0x800}
	s.Nodes[0].Timeline, s.Nodes[0].HasHistory = 2, true
	s.Nodes[0].History = pg.History{{Parent: 1, End: 0x600, Reason: "no recovery target specified"}}
	content, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "snapshot")
	load := func(content []byte) (Snapshot, error) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path)
	}
	got, err := load(content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("written (-) and read (+):\n%s", diff)
	}
	for n := 0; n < len(content); n += 17 {
		if _, err := load(content[:n]); trouble.Of(err) != trouble.Refused {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for name, text := range map[string]string{
		"unknown schema": `{"schema_version": 2, "nodes": [{"name": "p", "role": "primary", "slots": []}]}`,
		"no schema":      `{"nodes": [{"name": "p", "role": "primary", "slots": []}]}`,
		"no primary":     `{"schema_version": 1, "nodes": [{"name": "p", "role": "standby", "slots": []}]}`,
		"more than one":  string(content) + string(content),
		"odd position":   `{"schema_version": 1, "nodes": [{"name": "p", "role": "primary", "end_lsn": "0/0/0", "slots": []}]}`,
	} {
		if _, err := load([]byte(text)); trouble.Of(err) != trouble.Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(path + ".absent"); trouble.Of(err) != trouble.Refused {
		t.Errorf("absent: %v", err)
	}
}

func TestSurvivor(t *testing.T) {
	first := Node{Name: "first", Role: RolePrimary, System: 7, Timeline: 1, HasHistory: true}
	second := Node{Name: "second", Role: RolePrimary, System: 7, Timeline: 2, HasHistory: true, History: pg.History{{Parent: 1, End: 0x10}}}
	twin := second
	twin.Name, twin.History = "twin", pg.History{{Parent: 1, End: 0x20}}
	standby := first
	standby.Role = RoleStandby
	for name, c := range map[string]struct {
		nodes []Node
		want  string
	}{
		"none":                {nil, ""},
		"standbys alone":      {[]Node{standby}, ""},
		"one":                 {[]Node{standby, second}, "second"},
		"a zombie":            {[]Node{first, second}, "second"},
		"a zombie, otherwise": {[]Node{second, first}, "second"},
		"twins":               {[]Node{second, twin}, ""},
		"the same twice":      {[]Node{first, first}, ""},
	} {
		if got, why := (Snapshot{Nodes: c.nodes}).Survivor(); got.Name != c.want || (why == "") != (c.want != "") {
			t.Errorf("%s: %q, %q", name, got.Name, why)
		}
	}
}

func TestRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Snapshot)
		kind   trouble.Kind
	}{
		"well":        {func(*Snapshot) {}, trouble.Other},
		"one is gone": {func(s *Snapshot) { s.Nodes[1] = Node{Name: "q", Role: RoleUnreachable, Err: "refused"} }, trouble.Other},
		"all are gone": {func(s *Snapshot) {
			s.Nodes = []Node{{Name: "q", Role: RoleUnreachable, Err: "refused"}}
		}, trouble.Unavailable},
		"version 12":   {func(s *Snapshot) { s.Nodes[1].Version = 120022 }, trouble.Refused},
		"two clusters": {func(s *Snapshot) { s.Nodes[1].System = 8 }, trouble.Refused},
	} {
		s := ready()
		c.change(&s)
		if err := s.Refuse(); trouble.Of(err) != c.kind || (err == nil) != (c.kind == trouble.Other) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := ready()
	for i := range other.Nodes {
		other.Nodes[i].System = 8
	}
	if err := ready().RefuseAfter(other); trouble.Of(err) != trouble.Refused {
		t.Errorf("a snapshot of another cluster: %v", err)
	}
	for names, good := range map[string]bool{"s": true, "standby_slot": false, "none": false} {
		if _, err := ready().Choose([]string{names}); (err == nil) != good || !good && trouble.Of(err) != trouble.Refused {
			t.Errorf("slot %s: %v", names, err)
		}
	}
}

func TestAllSurvived(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		want     Answer
	}{
		{nil, Untold},
		{[]Verdict{Survived, SurvivedRewound}, Yes},
		{[]Verdict{NotChecked, Survived}, Untold},
		{[]Verdict{NotChecked, Ahead}, No},
		{[]Verdict{GapSkipped, NotChecked}, No},
		{[]Verdict{Survived, LostMissing}, No},
	} {
		var all []Judged
		for _, v := range c.verdicts {
			all = append(all, Judged{Decision: Decision{Verdict: v}})
		}
		if got := AllSurvived(all); got != c.want {
			t.Errorf("%v: %s, want %s", c.verdicts, got, c.want)
		}
	}
}
