package scenario_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// expels ends the sessions of workers 0 and 1 on a server, which find their way
// from there by themselves; those of the other workers stay.
func expels(v *sandbox.Server) deed {
	return func(ctx context.Context) error {
		n, err := v.Value(ctx, "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name ~ '^pgrpo/[0-9]+/[01]$'")
		if err == nil && n != "2" {
			err = fmt.Errorf("%s sessions of workers 0 and 1 were on %s, want 2", n, v.Name())
		}
		return err
	}
}

// sets changes a setting of a server.
func sets(v *sandbox.Server, name, value string) deed {
	return func(ctx context.Context) error { return v.Set(ctx, name, value) }
}

// acksAt are the entries that a server acknowledged, by the address of their
// connections.
func (tr *trial) acksAt(t *testing.T, v *sandbox.Server) map[txn.ID]txn.Entry {
	t.Helper()
	contacts, err := tr.evidence.Repo.Contacts(t.Context(), tr.evidence.Record.Run)
	if err != nil {
		t.Fatal(err)
	}
	at := map[txn.Conn]bool{}
	for _, c := range contacts {
		if c.Observer == int32(tr.evidence.Account.Drivers[0].Driver) && c.Address == v.Addr() {
			at[c.Conn()] = true
		}
	}
	found := map[txn.ID]txn.Entry{}
	for id, e := range tr.entries(t) {
		if e.Outcome.IsAck() && at[e.Conn] {
			found[id] = e
		}
	}
	return found
}

// firstAck is when the first ack of a server came.
func (tr *trial) firstAck(t *testing.T, v *sandbox.Server) time.Duration {
	t.Helper()
	first := time.Duration(math.MaxInt64)
	for _, e := range tr.acksAt(t, v) {
		first = min(first, e.End())
	}
	return first
}

// after are the attempts that a server acknowledged though they were sent after
// that time.
func (tr *trial) after(t *testing.T, v *sandbox.Server, since time.Duration) attempts {
	t.Helper()
	late := attempts{}
	for id, e := range tr.acksAt(t, v) {
		if e.Sent > since {
			late[id] = true
		}
	}
	return late
}

// isSplit holds the report of a split brain against what two servers say by
// plain SQL: those that the old one has and the new one lacks, of those sent
// after the first ack of the new one.
func (tr *trial) isSplit(t *testing.T, old, by *sandbox.Server) report.Split {
	t.Helper()
	truth := tr.after(t, old, tr.firstAck(t, by))
	there, here := tr.markers(t, old), tr.markers(t, by)
	if len(truth) == 0 || len(truth.minus(there)) > 0 || len(truth.minus(here)) != len(truth) {
		t.Fatalf("%s acknowledged %d after %s did: %d of them are not there, %d are on %s", old.Name(), len(truth), by.Name(),
			len(truth.minus(there)), len(truth)-len(truth.minus(here)), by.Name())
	}
	found := tr.findings(t, compare.SplitBrain)
	if more, missed := found.minus(truth), truth.minus(found); len(more)+len(missed) > 0 {
		t.Errorf("found too much: %v, and missed: %v", more.list(), missed.list())
	}
	if tr.report.Judged() != compare.Breached || !slices.Contains(tr.breaking(), "split_brain") {
		t.Errorf("verdict %s, broken by %v", tr.report.Verdict, tr.breaking())
	}
	if len(tr.report.Splits) != 1 {
		t.Fatalf("pairs %+v", tr.report.Splits)
	}
	split := tr.report.Splits[0]
	if split.Advisory || split.Acks != int64(len(truth)) || split.From == nil || split.To == nil || *split.From >= *split.To {
		t.Errorf("of %d the report has %+v", len(truth), split)
	}
	tr.isServer(t, split.Old, old)
	tr.isServer(t, split.New, by)
	text := tr.report.Text(report.Plain)
	if !strings.Contains(text, "\nSplit     "+old.Addr()) {
		t.Errorf("no line on it in\n%s", text)
	}
	return split
}

// isServer holds a server of the report against what it says of itself.
func (tr *trial) isServer(t *testing.T, shown report.Server, v *sandbox.Server) {
	t.Helper()
	start, err := v.Value(t.Context(), `select to_char(pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)
	if err != nil {
		t.Fatal(err)
	}
	tl, err := v.Value(t.Context(), "select timeline_id from pg_control_checkpoint()")
	if err != nil {
		t.Fatal(err)
	}
	if shown.ProcessStart == nil || *shown.ProcessStart != start || shown.Address == nil || *shown.Address != v.Addr() ||
		shown.Timeline == nil || fmt.Sprint(*shown.Timeline) != tl {
		t.Errorf("the report has %v, the server is at %s, started %s, timeline %s", shown, v.Addr(), start, tl)
	}
}

// The standby is promoted while the primary lives, which goes on acknowledging to
// those clients that keep their sessions.
func TestSplitBrain(t *testing.T) {
	f := open(t)
	p := f.primary("primary", nil)
	s, _ := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(s, p))
	c.Fault = oneByOne(takes(p), s.Promote, expels(p), isHeard(s), takes(s), takes(p), checkpoints(s))
	tr := judge(t, c)
	tr.runsOn(t, "1<0 first seen", "2<1 new timeline")
	if split := tr.isSplit(t, p, s); split.OnlyOnOld == nil || *split.OnlyOnOld != split.Acks {
		t.Errorf("none of them is on the survivor: %+v", split)
	}
	tr.equals(t, tr.markers(t, p), tr.markers(t, s), "split_brain")
}

// checkpoints brings what a server says of its checkpoint up to date.
func checkpoints(v *sandbox.Server) deed {
	return func(ctx context.Context) error { return v.Exec(ctx, "checkpoint") }
}

// Two standbys are promoted one after the other, and both live: nobody can tell
// which survives, but that both acknowledged at a time is proven.
func TestTwoPromoted(t *testing.T) {
	f := open(t)
	p := f.primary("primary", nil)
	a, _ := f.standby("first", p)
	b, _ := f.standby("second", p)
	c := load(t, f.Sandbox, dsn(p, b, a))
	c.Fault = oneByOne(
		func(ctx context.Context) error { return p.Stop(ctx, sandbox.Fast) },
		a.Promote, isHeard(a), takes(a), b.Promote, expels(a), takes(b), takes(a), checkpoints(a), checkpoints(b))
	tr := judge(t, c)
	if tr.evidence.NoSurvivor == nil {
		t.Fatalf("the survivor is %s", tr.evidence.Survivor().Name())
	}
	if split := tr.isSplit(t, a, b); split.OnlyOnOld != nil {
		t.Errorf("nobody knows the survivor: %+v", split)
	}
}

// The old primary's acks come late: the attempts were sent before the promotion,
// and waited for a standby that never came. From then on it takes no writes.
func TestLateAcksAreNoSplitBrain(t *testing.T) {
	f := open(t)
	p := f.primary("primary", nil)
	s, link := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(s, p))
	c.StatementTimeout = 3 * time.Minute
	c.Fault = oneByOne(takes(p), freezes(link), sets(p, "synchronous_standby_names", "nobody"), waitsForStandby(p), s.Promote, expels(p), takes(s),
		sets(p, "default_transaction_read_only", "on"), sets(p, "synchronous_standby_names", ""), isHeard(s))
	tr := judge(t, c)
	first, late := tr.firstAck(t, s), 0
	for _, e := range tr.acksAt(t, p) {
		if e.End() > first {
			late++
		}
	}
	if late == 0 || len(tr.after(t, p, first)) > 0 {
		t.Fatalf("%d acks of the primary came late, and %d were asked for then", late, len(tr.after(t, p, first)))
	}
	tr.isWhole(t)
}

// waitsForStandby waits until all workers' commits wait for a standby.
func waitsForStandby(v *sandbox.Server) deed {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			n, err := v.Value(ctx, "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name ~ '^pgrpo/[0-9]+/[0-9]+$'")
			if err != nil || n == "4" {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s workers wait for a standby: %w", n, ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// isWhole sees to it that no split brain is told of.
func (tr *trial) isWhole(t *testing.T) {
	t.Helper()
	found := tr.findings(t, compare.SplitBrain)
	if len(found) > 0 || len(tr.report.Splits) > 0 || slices.Contains(tr.breaking(), "split_brain") {
		t.Errorf("found %v, pairs %+v", found.list(), tr.report.Splits)
	}
}

// A run in which nothing happens has one primary.
func TestOnePrimary(t *testing.T) {
	f := open(t)
	judge(t, load(t, f.Sandbox, dsn(f.primary("primary", nil)))).isWhole(t)
}
