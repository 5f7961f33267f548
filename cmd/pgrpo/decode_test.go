package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recordedSlots makes a data directory of files that a server of 17 wrote.
func recordedSlots(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(to string, content []byte) {
		t.Helper()
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range map[string]string{
		"pg_replslot/plain/state": "plain.state", "pg_replslot/lost/state": "lost.state", "global/pg_control": "pg_control",
		"pg_replslot/physical/state": "physical.state",
	} {
		content, err := os.ReadFile(filepath.Join("..", "..", "slots", "statefile", "testdata", "17", from))
		if err != nil {
			t.Fatal(err)
		}
		put(to, content)
	}
	put("PG_VERSION", []byte("17\n"))
	put("pg_wal/00000003.history", []byte("1\t0/1513010\tno recovery target specified\n\n2\t0/2000000\tno recovery target specified\n"))
	return dir
}

func TestDecode(t *testing.T) {
	dir := recordedSlots(t)
	r := pgrpo(t, "slots", "decode", dir)
	for _, want := range []string{"lost: wal_removed", "(physical)", "in production", "left 2 at 0/2000000"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in what was printed", want)
		}
	}
	if r.status != 0 || r.stderr != "" {
		t.Errorf("status %d", r.status)
	}
	var report struct {
		Control struct {
			System string `json:"system_id"`
		}
		Slots []struct {
			Name   string
			Reason string `json:"invalidation_reason"`
		}
		Timelines []struct{ History []any }
	}
	r = pgrpo(t, "slots", "decode", dir, "--report", "json")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Slots) != 3 || report.Slots[0].Reason != "wal_removed" || len(report.Timelines[0].History) != 2 || len(report.Control.System) != 19 {
		t.Errorf("read %+v", report)
	}
}

// What cannot be read ends with status 3 and one line; the rest is shown.
func TestDecodeRefuses(t *testing.T) {
	dir := recordedSlots(t)
	damaged := filepath.Join(dir, "pg_replslot", "plain", "state")
	if err := os.Truncate(damaged, 50); err != nil {
		t.Fatal(err)
	}
	r := pgrpo(t, "slots", "decode", dir)
	if r.status != exitRefused || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, damaged) || !strings.Contains(r.stdout, "wal_removed") {
		t.Errorf("status %d", r.status)
	}
	for _, args := range [][]string{
		{"slots", "decode"}, {"slots", "decode", damaged}, {"slots", "decode", dir + "/none"}, {"slots", "decode", dir + "/pg_wal"},
		{"slots", "decode", dir, "--report", "html"}, {"slots", "nonsense"},
	} {
		if r := pgrpo(t, args...); r.status != exitRefused || strings.Count(r.stderr, "\n") != 1 || r.stdout != "" {
			t.Errorf("%v: status %d", args, r.status)
		}
	}
}
