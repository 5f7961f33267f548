package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// slotCluster is a primary with two logical slots and a physical one, and a standby
// that streams with a password.
func slotCluster(t *testing.T) (primary, standby *sandbox.Server) {
	t.Helper()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	if err != nil {
		t.Fatal(err)
	}
	if standby, err = box.Standby(t.Context(), "standby", primary, ""); err != nil {
		t.Fatal(err)
	}
	execute := func(v *sandbox.Server, statements ...string) {
		t.Helper()
		for _, s := range statements {
			if err := v.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	conninfo, err := standby.Value(t.Context(), "show primary_conninfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := standby.Set(t.Context(), "primary_conninfo", conninfo+" password=hunter2"); err != nil {
		t.Fatal(err)
	}
	execute(primary, "select pg_create_logical_replication_slot('orders', 'pgoutput')",
		"select pg_create_logical_replication_slot('stock', 'test_decoding')", "create role watcher login", "create table t (a int)",
		"create publication p for all tables", "select pg_replication_slot_advance('orders', pg_current_wal_lsn())")
	if err := standby.WaitReplayed(t.Context(), primary); err != nil {
		t.Fatal(err)
	}
	return primary, standby
}

// wantOne checks that a command was refused in one line.
func wantOne(t *testing.T, r result, status int, text string) {
	t.Helper()
	if r.status != status || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, text) {
		t.Errorf("want status %d and one line with %q", status, text)
	}
}

func TestSlotsListAndCheck(t *testing.T) {
	primary, standby := slotCluster(t)
	nodes := []string{"--primary-pgdsn", primary.DSN("postgres"), "--standby-pgdsn", standby.DSN("postgres")}
	slots := func(args ...string) result { t.Helper(); return pgrpo(t, append([]string{"slots"}, args...)...) }
	with := func(args ...string) result { t.Helper(); return slots(append(args, nodes...)...) }

	r := with("list")
	for _, want := range []string{"orders", "stock", "(physical)", "would NOT survive", "is not on " + standby.Addr(),
		"hot_standby_feedback = on", "max_slot_wal_keep_size = -1", "primary_slot_name = standby", "dbname in primary_conninfo = postgres", primary.Addr() + ": primary", standby.Addr() + ": standby"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in the list", want)
		}
	}
	if r.status != exitBreached || r.stderr != "" {
		t.Errorf("list: status %d", r.status)
	}
	listed := with("list", "--report", "json")
	var list struct {
		Survives string `json:"would_survive"`
		Failover []struct {
			Slot     string
			Survives string `json:"would_survive"`
			Why      []string
		}
		Nodes []struct {
			System   string `json:"system_id"`
			Settings map[string]string
			Slots    []struct {
				Retained *int64 `json:"retained_bytes"`
				Name     string `json:"slot_name"`
			}
		}
	}
	if err := json.Unmarshal([]byte(listed.stdout), &list); err != nil {
		t.Fatal(err)
	}
	if list.Survives != "no" || len(list.Failover) != 2 || list.Failover[0].Slot != "orders" || len(list.Failover[0].Why) == 0 ||
		len(list.Nodes[0].Slots) != 3 || list.Nodes[0].Slots[0].Retained == nil || len(list.Nodes[0].System) != 19 ||
		list.Nodes[1].Settings["dbname in primary_conninfo"] != "postgres" {
		t.Errorf("read %+v", list)
	}

	file := filepath.Join(t.TempDir(), "snapshot")
	if r = with("check", "--before", file); r.status != exitMet || r.stderr != "" || !strings.Contains(r.stdout, "kept 2 logical slots") {
		t.Error("the snapshot was not kept")
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(kept), listed.stdout} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "dbname in primary_conninfo") {
			t.Errorf("a password was kept, or nothing: %s", text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if err := primary.Exec(t.Context(), "insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	if r = with("check", "--after", file); r.status != exitMet || strings.Count(r.stdout, "  survived  ") != 2 {
		t.Error("the slots survived")
	}
	if r = with("check", "--after", file, "--slot", "stock"); strings.Contains(r.stdout, "orders") || strings.Count(r.stdout, "\n") != 1 {
		t.Error("one slot was asked for")
	}
	end, err := primary.Value(t.Context(), "select pg_current_wal_lsn()")
	if err != nil {
		t.Fatal(err)
	}
	r = with("check", "--after", file, "--consumer-lsn", "orders="+end, "--report", "json")
	var checked struct {
		Slots []struct {
			Name, Node, Verdict string
			Also                []string
			Before, After       map[string]any
			From                string `json:"from_lsn"`
			To                  string `json:"to_lsn"`
			Again               int    `json:"transactions_again"`
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &checked); err != nil {
		t.Fatal(err)
	}
	if s := checked.Slots[0]; r.status != exitMet || s.Verdict != "survived_rewound" || s.Node != primary.Addr() || s.Also == nil ||
		s.Before["plugin"] != "pgoutput" || s.After["slot_name"] != "orders" || s.To != end || s.From != s.After["confirmed_flush_lsn"] || s.Again != 1 {
		t.Errorf("read %+v", s)
	}
	slotsRefuse(t, with, slots, primary, file)
	slotsAsNobody(t, slots, primary, standby, file)

	// The standby has none of the slots.
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if r = with("check", "--after", file); r.status != exitInconclusive || strings.Count(r.stdout, "not_checked") != 2 ||
		!strings.Contains(r.stderr, primary.Addr()+" was not seen") {
		t.Error("nobody took over yet")
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r = with("check", "--after", file); r.status != exitBreached || strings.Count(r.stdout, "lost_missing") != 2 {
		t.Error("the slots are gone")
	}
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}
	wantOne(t, with("check", "--after", file), exitUnavailable, "no node was reached")
	wantOne(t, with("list"), exitUnavailable, "no node was reached")
}

// slotsAsNobody asks as a role without any right: what it cannot see is said, and is
// not called good.
func slotsAsNobody(t *testing.T, slots func(...string) result, primary, standby *sandbox.Server, file string) {
	t.Helper()
	as := func(v *sandbox.Server) string {
		return strings.Replace(v.DSN("postgres"), "//postgres", "//watcher", 1)
	}
	nobody := []string{"--primary-pgdsn", as(primary), "--standby-pgdsn", as(standby)}
	r := slots(append([]string{"list"}, nobody...)...)
	if r.status != exitBreached || !strings.Contains(r.stdout, "orders") || !strings.Contains(r.stdout, "not seen: the history") ||
		!strings.Contains(r.stdout, "pg_read_all_settings") {
		t.Error("the list of a role without rights")
	}
	r = slots(append([]string{"check", "--after", file}, nobody...)...)
	if r.status != exitInconclusive || strings.Count(r.stdout, "not_checked") != 2 || !strings.Contains(r.stdout, "may not") {
		t.Error("the check by a role without rights")
	}
}

func slotsRefuse(t *testing.T, with, slots func(...string) result, primary *sandbox.Server, file string) {
	t.Helper()
	wantOne(t, slots("check", "--after", file), exitRefused, "no primary")
	for text, args := range map[string][]string{
		"name one file":              {"check"},
		"name one file,":             {"check", "--before", file, "--after", file},
		"want SLOT=LSN":              {"check", "--after", file, "--consumer-lsn", "0/1"},
		"lower half":                 {"check", "--after", file, "--consumer-lsn", "orders=0/1 "},
		"is no position":             {"check", "--after", file, "--consumer-lsn", "orders=0/0"},
		"no such logical slot":       {"check", "--after", file, "--consumer-lsn", "standby=0/1"},
		`there is no slot "none"`:    {"check", "--after", file, "--slot", "none"},
		`slot "standby" on`:          {"check", "--before", file + ".no", "--slot", "standby"},
		"read snapshot":              {"check", "--after", file + ".absent"},
		"cut, or no snapshot":        {"check", "--after", cut(t, file)},
		"want text or json":          {"list", "--report", "html"},
		"--decode-timeout":           {"check", "--after", file, "--decode-timeout", "0"},
		"unknown flag: --repo-pgdsn": {"list", "--repo-pgdsn", "x"},
	} {
		wantOne(t, with(args...), exitRefused, text)
	}
	if _, err := os.Stat(file + ".no"); err == nil {
		t.Error("a snapshot was kept all the same")
	}
	other, err := sandboxtest.Open(t).Primary(t.Context(), "other", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantOne(t, slots("check", "--after", file, "--primary-pgdsn", other.DSN("postgres")), exitRefused, "another cluster")
	wantOne(t, slots("list", "--primary-pgdsn", other.DSN("postgres"), "--standby-pgdsn", primary.DSN("postgres")), exitRefused, "not of one cluster")
	if r := slots("list", "--primary-pgdsn", primary.DSN("postgres")); r.status != exitInconclusive || !strings.Contains(r.stdout, "no other node") {
		t.Error("a list without a standby")
	}
}

// cut is a copy of a file that ends in its middle.
func cut(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".cut", content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	return file + ".cut"
}

// An interrupted command says so, and gives no verdict.
func TestSlotsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := pgrpoUntil(ctx, t, "slots", "list", "--primary-pgdsn", "postgres://nobody@127.0.0.1:1/none")
	wantOne(t, r, exitInterrupted, "canceled")
}
