package wal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/wal"
)

const segmentBytes = 16 << 20

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, v *sandbox.Server, sql string) string {
	t.Helper()
	text, err := v.Value(t.Context(), sql)
	check(t, err)
	return text
}

// line is one record as pg_walinspect shows it.
type line struct {
	Start   pg.LSN `json:"start_lsn"`
	End     pg.LSN `json:"end_lsn"`
	Prev    pg.LSN `json:"prev_lsn"`
	Xid     pg.Xid `json:"xid"`
	Manager string `json:"resource_manager"`
	Type    string `json:"record_type"`
}

// inspected are the records that the server itself finds between two positions.
func inspected(t *testing.T, v *sandbox.Server, from, to string) []line {
	t.Helper()
	var all []line
	text := ask(t, v, "select json_agg(json_build_object('start_lsn', start_lsn, 'end_lsn', end_lsn, 'prev_lsn', prev_lsn, 'xid', xid::text::bigint, "+
		"'resource_manager', resource_manager, 'record_type', record_type) order by start_lsn) from pg_get_wal_records_info('"+from+"', '"+to+"')")
	check(t, json.Unmarshal([]byte(text), &all))
	return all
}

// The files of a killed server hold the records that the server itself found in
// them: records over many pages and segments, a switch of segments, subtransactions,
// prepared transactions, and a record that a crash cut.
func TestRecordsEqualTheServers(t *testing.T) {
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", map[string]string{
		"max_prepared_transactions": "3", "wal_keep_size": "1GB", "min_wal_size": "256MB",
	})
	check(t, err)
	run := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			check(t, v.Exec(t.Context(), s))
		}
	}
	if installed(t) < 15 {
		// Before that no server reads its own records out; what the stream says of
		// their commits is held against ours where a dead primary is read.
		if n := ask(t, v, "select count(*) from pg_available_extensions where name = 'pg_walinspect'"); n != "0" {
			t.Error("the server has pg_walinspect")
		}
		return
	}
	run("create extension pg_walinspect", "create table t (id int primary key, text text)",
		"alter table t alter text set storage external", "select pg_switch_wal()")
	from := ask(t, v, "select pg_current_wal_lsn()")
	run("insert into t select i, repeat('x', 700) from generate_series(1, 30000) i", // over a segment
		"insert into t values (-1, repeat('y', 3000000))",
		"do $$ begin for i in 1..200 loop begin insert into t values (-1000 - i); exception when others then null; end; end loop; end $$",
		"begin; create table u (); insert into t values (-2); prepare transaction 'a'", "commit prepared 'a'",
		"begin; insert into t values (-3); prepare transaction 'b'", "rollback prepared 'b'",
		"begin; delete from t where id = -2; rollback", "select pg_switch_wal()", "truncate t", "checkpoint",
		"select pg_logical_emit_message(false, 'x', repeat('z', 50000))", "select pg_logical_emit_message(true, 'x', 'z')")
	to := ask(t, v, "select pg_current_wal_flush_lsn()")
	run("select pg_logical_emit_message(true, 'x', repeat('z', 50000))")
	// The crash cuts the last record at the end of a page. The server that recovers
	// says on that page that it is given up, and goes on there.
	check(t, v.Kill())
	cut(t, filepath.Join(v.Dir(), "pg_wal"), to)
	check(t, v.Start(t.Context()))
	run("insert into t values (1)", "checkpoint")
	want := inspected(t, v, from, ask(t, v, "select pg_current_wal_flush_lsn()"))
	check(t, v.Kill())

	start, err := pg.ParseLSN(from)
	check(t, err)
	log, err := wal.Open(filepath.Join(v.Dir(), "pg_wal"), 1, start, segmentBytes)
	check(t, err)
	var got, commits []line
	var end wal.End
	for r, err := range log.Records(start, &end) {
		check(t, err)
		l := line{Start: r.Start, End: r.End, Prev: r.Prev, Xid: r.Xid}
		got = append(got, l)
		c, is, err := r.Commit()
		check(t, err)
		if is {
			commits = append(commits, line{Start: c.Start, End: c.End, Prev: r.Prev, Xid: c.Xid})
			if off := time.Since(c.At); off < 0 || off > time.Hour {
				t.Errorf("the commit at %s is of %s", c.Start, c.At)
			}
		}
	}
	var plain, wantCommits []line
	for _, l := range want {
		if l.Manager == "Transaction" && strings.HasPrefix(l.Type, "COMMIT") {
			c := l
			c.Manager, c.Type = "", ""
			wantCommits = append(wantCommits, c)
		}
		l.Manager, l.Type = "", ""
		plain = append(plain, l)
	}
	// The server's last words, a snapshot or a shutdown, may come after it was asked.
	if len(got) < len(plain) {
		t.Fatalf("%d records, the server found %d; the log ends at %s: %s", len(got), len(plain), end.At, end.Why)
	}
	if diff := cmp.Diff(plain, got[:len(plain)]); diff != "" {
		t.Errorf("the server's (-) and ours (+):\n%s", diff)
	}
	// The prepared one's record carries no xid in its header: both may only differ there.
	if len(commits) < len(wantCommits) {
		t.Fatalf("%d commits, want %d", len(commits), len(wantCommits))
	}
	prepared := 0
	for i, w := range wantCommits {
		if w.Xid == 0 {
			prepared++
			w.Xid = commits[i].Xid
		}
		if commits[i] != w || w.Xid == 0 {
			t.Errorf("commit %+v, want %+v", commits[i], w)
		}
	}
	if prepared != 1 {
		t.Errorf("%d prepared commits", prepared)
	}
	if len(plain) < 30000 || end.At <= start || end.Why == "" || len(wantCommits) < 7 {
		t.Errorf("%d records, %d commits, end %+v", len(plain), len(wantCommits), end)
	}
	if reached, err := pg.ParseLSN(to); err != nil || end.At < reached {
		t.Errorf("the log ends at %s, and was flushed to %s", end.At, to)
	}
	if major := installed(t); log.Major != major {
		t.Errorf("version %d, want %d", log.Major, major)
	}
}

// cut empties the log from the second page after a position on.
func cut(t *testing.T, dir, at string) {
	t.Helper()
	lsn, err := pg.ParseLSN(at)
	check(t, err)
	lsn += 2*wal.PageBytes - lsn%wal.PageBytes
	path := filepath.Join(dir, pg.SegmentName(1, lsn, segmentBytes))
	b, err := os.ReadFile(path)
	check(t, err)
	clear(b[lsn%segmentBytes:])
	check(t, os.WriteFile(path, b, 0o600))
}

// installed is the major version of the server.
func installed(t *testing.T) int {
	t.Helper()
	b, err := sandboxtest.Binaries(t.Context())
	check(t, err)
	return b.Major
}
