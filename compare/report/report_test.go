package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 11, 20, 17, 2, 1, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * 1e9)) }

func ptr[T any](v T) *T { return &v }

// judged is the evidence and the result of one run.
type judged struct {
	meta  report.Meta
	c     compare.Case
	facts compare.Facts
	res   compare.Result
}

// base is a failover from branch 1 to branch 2 of eight workers.
func base() judged {
	return judged{
		meta: report.Meta{
			Version: "1.2.3", Started: start, Finished: at(42), Dir: "runs/20261120-170201",
			Nodes: []report.Node{
				{Name: "127.0.0.1:5432", Role: "primary"},
				{Name: "127.0.0.1:5433", Role: "primary", Survivor: true, Branch: ptr(int32(2)), Timeline: ptr(uint32(2)), ServerVersion: "15.18", LSN: ptr(pg.LSN(0x3100000))},
			},
		},
		c: compare.Case{Run: txn.Run(start.Unix()), Seed: 1 << 60, SegmentBytes: 16 << 20},
		facts: compare.Facts{
			Drivers:  []compare.Driver{{ID: 0, Started: start, Closed: true}},
			Reserves: make([]txn.Reserve, 8),
			Branches: pg.Branches{
				{ID: 1, System: 7361234567890123456, Timeline: 1, HasHistory: true, Reason: pg.ReasonFirst},
				{ID: 2, System: 7361234567890123456, Timeline: 2, HasHistory: true, Parent: 1, Fork: 0x30040C8, Reason: pg.ReasonPromoted},
			},
			Survivor: compare.Survivor{Branch: 2, Proven: true},
		},
		res: compare.Result{
			Attempts:   compare.Attempts{Sent: 18300, Acked: 18204, Failed: 40, InDoubt: compare.InDoubtCount{Total: 56, Committed: 30, RolledBack: 26}},
			Capture:    compare.Captured{Transactions: 18204, Changes: 45010, Complete: true},
			FaultsSeen: 1,
			RTO: compare.RTO{
				Outages: []compare.Outage{{From: at(7.1), To: at(9), Disconnected: true}},
				Global:  1900 * time.Millisecond, WorkerMax: 2100 * time.Millisecond,
				Worst:  compare.WorstOutage{Global: 1900e6, P50: 1950e6, P90: 2000e6, P99: 2100e6, Max: 2100e6},
				Errors: compare.Errors{Refused: 12, Reset: 8},
			},
		},
	}
}

func objectives(lost, rows float64, transactions, integrity compare.Verdict) []compare.Objective {
	return []compare.Objective{
		{Name: compare.RPOTransactions, Asked: true, Known: true, Measured: lost, Verdict: transactions},
		{Name: compare.RPORows, Known: true, Measured: rows},
		{Name: compare.RTOGlobal, Asked: true, Limit: 30, Known: true, Measured: 1.9, Verdict: compare.Met},
		{Name: compare.CDC, Known: true},
		{Name: compare.Integrity, Asked: true, Known: true, Verdict: integrity},
	}
}

func met() judged {
	j := base()
	j.res.Verdict = compare.Met
	j.res.Objectives = objectives(0, 0, compare.Met, compare.Met)
	j.res.Witnesses = compare.Witnesses{
		Rows:      compare.Witness{Heard: true, Survives: 18204},
		Log:       compare.Witness{Heard: true, Survives: 18200, Silent: 4},
		ClientLSN: compare.Witness{Silent: 18204, Why: "every ack was captured"},
	}
	j.res.Unproven = []string{"client LSN is silent: every ack was captured", "payload: not checked"}
	return j
}

func breached() judged {
	j := base()
	first := compare.Finding{
		Class: compare.LostTransaction, ID: txn.ID{Run: j.c.Run, Worker: 3, Seq: 1204}, Account: compare.Acked, Branch: 1, Timeline: 1,
		Xid: 7421, LSN: 0x3004128, Min: 0x3004128, Max: 0x3004200, AckedAt: at(6.6),
	}
	last := first
	last.Seq, last.Xid, last.LSN, last.Min, last.Max, last.AckedAt = 1260, 7462, 0, 0x3006000, 0, at(7)
	j.res.Verdict = compare.Breached
	j.res.Reasons = []string{"42 acknowledged transactions were lost (limit: 0)", "1 finding breaks the integrity of what survived"}
	j.res.Objectives = objectives(42, 61, compare.Breached, compare.Breached)
	j.res.RPO = compare.RPO{
		Transactions: 42, Ops: compare.Ops{Inserts: 40, Updates: 20, Deletes: 1, PayloadBytes: 6100},
		WAL: compare.WALBytes{Min: 8200, MinKnown: true, Why: "where the last lost transactions ended is not known"}, Span: 410e6,
		First: &first, Last: &last,
	}
	j.res.Witnesses = compare.Witnesses{
		Rows: compare.Witness{Heard: true, Survives: 18162, Lost: 42},
		Log:  compare.Witness{Heard: true, Survives: 18160, Lost: 37, Silent: 7, SilentOfLost: 5},
		ClientLSN: compare.Witness{Heard: true, Lost: 5, Silent: 18199,
			SilentOfLost: 37},
	}
	j.res.Capture.Lost = 37
	j.res.Capture.Gaps = []compare.GapCount{{Branch: 2, Timeline: 2, From: 0x3004000, To: 0x3005000, Reason: "the slot was made again", Transactions: 3}}
	j.res.Counts[compare.LostTransaction], j.res.Counts[compare.Hole], j.res.Counts[compare.CapturedLost] = 42, 1, 37
	j.res.Samples[compare.LostTransaction] = []compare.Finding{first, last}
	j.res.Samples[compare.Hole] = []compare.Finding{first}
	j.res.Counts[compare.StaleRow], j.res.Breaks[compare.StaleRow], j.res.PayloadChecked = 2, true, true
	j.res.Samples[compare.StaleRow] = []compare.Finding{{
		Class: compare.StaleRow, ID: txn.ID{Run: j.c.Run, Worker: 3, Seq: 77}, Row: 41, Text: "row 41 shows an older version, of seq 12",
	}}
	j.res.Breaks[compare.LostTransaction], j.res.Breaks[compare.Hole] = true, true
	j.res.Counts[compare.SplitBrain], j.res.Breaks[compare.SplitBrain] = 7, true
	j.res.Samples[compare.SplitBrain] = []compare.Finding{last}
	started := pg.ProcessStart(start.UnixMicro())
	j.res.Splits = []compare.Split{{
		Old:  compare.Server{Address: "127.0.0.1:5432", Branch: 1, Timeline: 1, Start: started - 3_600e6},
		New:  compare.Server{Address: "127.0.0.1:5433", Branch: 2, Timeline: 2, Start: started + 2},
		From: at(9), To: at(9.3), Acks: 7, OnlyOnOld: 5,
	}}
	return j
}

func inconclusive() judged {
	j := base()
	j.meta.Started, j.meta.Finished, j.meta.Dir = time.Time{}, time.Time{}, ""
	j.meta.Nodes, j.facts.Branches = nil, nil
	j.facts.Survivor = compare.Survivor{}
	j.res.Reasons = []string{
		"which node survived is not proven: 127.0.0.1:5432, 127.0.0.1:5433 all take writes, and none descends from the others",
		"the service was not seen to return: no attempt was acknowledged after 17:02:08.1",
	}
	j.res.Objectives = objectives(0, 0, compare.Inconclusive, compare.Inconclusive)
	for i := range j.res.Objectives {
		j.res.Objectives[i].Known = false
	}
	j.res.Attempts.InDoubt = compare.InDoubtCount{Total: 56, Unresolved: 56}
	j.res.Capture = compare.Captured{Transactions: 1, Lost: 1, Unexplained: 1, Why: "the slot is gone"}
	j.res.RTO.Outages[0].Open = true
	j.res.Objectives[2].Known = true
	j.res.Objectives[2].Verdict = compare.Inconclusive
	j.res.Splits = []compare.Split{{Old: compare.Server{Branch: 1}, New: compare.Server{Branch: 3, Timeline: 2}, From: at(9), To: at(9.3), Acks: 1, Advisory: true}}
	j.res.RTO.Stalls = []compare.StallSpan{{From: at(7), To: at(7.5), Cause: "ticker"}}
	return j
}

func runs() map[string]judged {
	return map[string]judged{"met": met(), "breached": breached(), "inconclusive": inconclusive(), "zero": {}}
}

func TestGolden(t *testing.T) {
	for name, j := range runs() {
		r := report.New(j.meta, j.c, j.facts, j.res)
		var asJSON bytes.Buffer
		if err := r.JSON(&asJSON); err != nil {
			t.Fatalf("%s: JSON: %v", name, err)
		}
		golden(t, name+".text", []byte(r.Text(report.Plain)))
		golden(t, name+".json", asJSON.Bytes())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTextIsNoWiderThanAScreen(t *testing.T) {
	for name, j := range runs() {
		for _, line := range strings.Split(report.New(j.meta, j.c, j.facts, j.res).Text(report.Plain), "\n") {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

func TestColourIsOnlyForThoseWhoAsk(t *testing.T) {
	j := breached()
	r := report.New(j.meta, j.c, j.facts, j.res)
	plain, coloured := r.Text(report.Plain), r.Text(report.Coloured)
	if strings.Contains(plain, "\x1b") {
		t.Error("plain text holds an escape sequence")
	}
	if !strings.Contains(coloured, "\x1b[1;31mBREACHED\x1b[0m") {
		t.Errorf("the verdict has no colour in:\n%s", coloured)
	}
	for _, escape := range []string{"\x1b[1;31m", "\x1b[0m"} {
		coloured = strings.ReplaceAll(coloured, escape, "")
	}
	if diff := cmp.Diff(plain, coloured); diff != "" {
		t.Errorf("colour changes the words (-plain +coloured):\n%s", diff)
	}
}

// The keys are a contract: each is there in every report, also where nothing
// is known, and no list is null.
func TestKeysAreAlwaysThere(t *testing.T) {
	contract := map[string][]string{
		"":         {"schema_version", "tool", "run", "verdict", "stopped", "reasons", "objectives", "attempts", "rpo", "witnesses", "capture", "rto", "split_brain", "slots", "branches", "nodes", "payload", "findings"},
		"tool":     {"name", "version"},
		"run":      {"id", "seed", "started_at", "finished_at", "workers", "drivers", "faults_seen"},
		"attempts": {"sent", "acked", "acked_unreplicated", "failed", "in_doubt", "not_sent", "account_lost"},
		"rpo": {"transactions", "restored", "rows", "inserts", "updates", "deletes", "payload_bytes", "wal_bytes", "seconds", "unreplicated",
			"first_lost", "last_lost"},
		"witnesses": {"rows", "log", "client_lsn", "disagreements", "agree"},
		"capture":   {"transactions", "changes", "duplicates", "captured_lost", "complete", "gaps", "unexplained"},
		"rto":       {"outages", "write_ms", "errors", "tester_stalls"},
	}
	for name, j := range runs() {
		var b bytes.Buffer
		if err := report.New(j.meta, j.c, j.facts, j.res).JSON(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var whole map[string]any
		if err := json.Unmarshal(b.Bytes(), &whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for section, keys := range contract {
			object := whole
			if section != "" {
				object, _ = whole[section].(map[string]any)
			}
			for _, key := range keys {
				if _, there := object[key]; !there {
					t.Errorf("%s: no key %s.%s", name, section, key)
				}
			}
		}
		for _, key := range []string{"reasons", "objectives", "split_brain", "slots", "branches", "nodes", "findings"} {
			if _, list := whole[key].([]any); !list {
				t.Errorf("%s: %s is no list", name, key)
			}
		}
	}
}

func TestRunID(t *testing.T) {
	if got := report.RunID(txn.Run(start.Unix())); got != "20261120-170201" {
		t.Errorf("RunID = %s, want 20261120-170201", got)
	}
}
