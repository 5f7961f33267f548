package main

import (
	"os"
	"strings"
	"testing"
)

// While the repo is away the slot holds back the primary's log, up to what
// --max-slot-retained allows: then it is dropped, and made again when the repo is
// back. The report has the gap, which breaks cdc, and no loss.
func TestMaxSlotRetained(t *testing.T) {
	p := openPair(t)
	if r := pgrpo(t, "init", "--primary-pgdsn", p.primary.DSN("postgres")); r.status != 0 {
		t.Fatalf("init: status %d", r.status)
	}
	const slots = "select count(*) from pg_replication_slots where slot_type = 'logical' and slot_name like 'pgrpo%'"
	s := p.startRun(t, "--max-slot-retained=8MB", "--require-slot-survival")
	if n, err := p.primary.Value(t.Context(), slots); err != nil || n != "1" {
		t.Fatalf("%s slots, %v", n, err)
	}
	if err := p.repo.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := p.primary.Exec(t.Context(), "create table bulk as select n, repeat('x', 1000) from generate_series(1, 20000) n"); err != nil {
		t.Fatal(err)
	}
	if err := untilHolds(t.Context(), p.primary, "select ("+slots+") = 0"); err != nil {
		t.Fatal(err)
	}
	if err := p.repo.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := untilHolds(t.Context(), p.primary, "select ("+slots+" and active) = 1"); err != nil {
		t.Fatal(err)
	}
	if err := untilMore(t.Context(), p.primary, 100); err != nil {
		t.Fatal(err)
	}
	s.signal(t, os.Interrupt)
	if status := s.status(t); status != exitBreached {
		t.Errorf("status %d, want %d", status, exitBreached)
	}
	rep := judged(t, s.runDir)
	if rep.RPO.Transactions != 0 || len(rep.Capture.Gaps) != 1 || !strings.Contains(rep.Capture.Gaps[0].Reason, "held back") {
		t.Errorf("lost %d, capture %+v", rep.RPO.Transactions, rep.Capture)
	}
	if rest := left(t, p.primary); rest != "" {
		t.Errorf("left: %s", rest)
	}
}
