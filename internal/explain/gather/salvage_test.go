package gather_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// A salvage brings back what was lost. The next judgement says restored, with every
// payload read, and the loss stays a loss. Nothing newer is overwritten.
func TestSalvage(t *testing.T) {
	l := play(t)
	standby := l.cluster.Standby
	var script salvage.Script
	// The run is open to one process at a time, and is closed with this test.
	t.Run("written", func(t *testing.T) { script = l.salvage(t) })
	sql := text(t, script)

	apply(t, standby, sql)
	for id := range l.lost {
		if !markerOn(t, standby, id) {
			t.Errorf("%s is not back", id)
		}
	}
	before := content(t, standby, l.run, script)
	apply(t, standby, sql)
	if after := content(t, standby, l.run, script); after != before {
		t.Errorf("applied again, it changed something:\n%s\nwas\n%s", after, before)
	}

	r := l.compare(t)
	if r.Judged() != compare.Breached || !r.Witnesses.Agree || r.RPO.Transactions != int64(len(l.lost)) || r.RPO.Restored != r.RPO.Transactions ||
		r.RPO.Rows != l.report.RPO.Rows || !cmp.Equal(r.RPO.WALBytes, l.report.RPO.WALBytes) || r.Capture.CapturedLost != 0 {
		t.Errorf("rpo %+v, before %+v; witnesses %+v", r.RPO, l.report.RPO, r.Witnesses)
	}
	for _, f := range r.Findings {
		if f.Class != "lost_transaction" && f.Breaks {
			t.Errorf("%d findings of %s", f.Count, f.Class)
		}
	}
	if !strings.Contains(r.Text(report.Plain), "on the survivor again, by a salvage; the loss stays a loss") {
		t.Error("the text does not say that it is restored")
	}
	l.newerStays(t, script, sql)
}

// salvage is the salvage of the dead primary's WAL, which is that of the judgement.
func (l lossy) salvage(t *testing.T) salvage.Script {
	t.Helper()
	s := source(t, l.reopen(t, l.config), l.directory(t))
	dead, err := s.Dead(t.Context(), 0)
	check(t, err)
	script, err := s.SalvageDead(dead)
	check(t, err)
	judged, err := s.Salvage(t.Context())
	check(t, err)
	if a, b := names(script), names(judged); !slices.Equal(a, b) || len(a) != len(l.lost) {
		t.Errorf("of the WAL %v\nof the judgement %v", a, b)
	}
	return script
}

// compare judges the run once more, and reads every payload.
func (l lossy) compare(t *testing.T) report.Report {
	t.Helper()
	e, err := run.Finish(t.Context(), l.config, l.place)
	check(t, err)
	defer func() { check(t, e.Close(context.WithoutCancel(t.Context()))) }()
	r, err := verdict.Reach(t.Context(), e, compare.Case{Payload: compare.PayloadFull})
	check(t, err)
	t.Log("\n" + r.Text(report.Plain))
	return r
}

func text(t *testing.T, s salvage.Script) string {
	t.Helper()
	var b strings.Builder
	check(t, s.Write(&b))
	return b.String()
}

func names(s salvage.Script) []txn.ID {
	var all []txn.ID
	for _, a := range s.Attempts {
		all = append(all, a.ID)
	}
	return all
}

// apply runs the script as psql would: all of its statements, each by itself.
func apply(t *testing.T, v *sandbox.Server, sql string) {
	t.Helper()
	target, err := node.Parse(v.DSN("postgres"))
	check(t, err)
	conn, err := node.Connect(t.Context(), target, "salvage test")
	check(t, err)
	defer node.Close(conn)
	// One message would be one transaction up to the first begin.
	for statement := range strings.SplitSeq(sql, "\n\n") {
		_, err := conn.Exec(t.Context(), statement).ReadAll()
		check(t, err)
	}
}

// content is all that the run's tables hold on a server.
func content(t *testing.T, v *sandbox.Server, number txn.Run, s salvage.Script) string {
	t.Helper()
	tables := []string{"marker", "restored"}
	for _, a := range s.Attempts {
		if name := txn.TableOf(a.Worker); !slices.Contains(tables, name) {
			tables = append(tables, name)
		}
	}
	var all []string
	for _, table := range tables {
		sum, err := v.Value(t.Context(), fmt.Sprintf("select count(*) || md5(string_agg(w::text, ',' order by w::text)) from pgrpo.%s w where run = %d", table, number))
		check(t, err)
		all = append(all, table+" "+sum)
	}
	return strings.Join(all, "\n")
}
