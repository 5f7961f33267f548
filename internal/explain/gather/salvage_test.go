package gather_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

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
		r.RPO.Rows != l.report.RPO.Rows || *r.RPO.WALBytes.Max != *l.report.RPO.WALBytes.Max || r.Capture.CapturedLost != 0 {
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

	t.Run("what is newer stays", func(t *testing.T) {
		a, op := updated(t, script)
		table := fmt.Sprintf("pgrpo.%s where run = %d and id = %d", txn.TableOf(a.Worker), l.run, op.ID)
		check(t, standby.Exec(t.Context(), fmt.Sprintf("update %s", strings.Replace(table, " where", " set seq = 777777, payload = 'newer' where", 1))))
		for _, from := range []string{"marker", "restored"} {
			check(t, standby.Exec(t.Context(), fmt.Sprintf("delete from pgrpo.%s where run = %d and worker = %d and seq = %d", from, l.run, a.Worker, a.Seq)))
		}
		apply(t, standby, sql)
		got, err := standby.Value(t.Context(), "select seq || payload from "+table)
		check(t, err)
		if got != "777777newer" || !markerOn(t, standby, a.ID) {
			t.Errorf("the row is %s", got)
		}
	})
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

// updated is a salvaged update of a row that no other salvaged attempt touches.
func updated(t *testing.T, s salvage.Script) (salvage.Attempt, txn.Op) {
	t.Helper()
	type row struct {
		worker txn.Worker
		id     txn.RowID
	}
	touched := map[row]int{}
	for _, a := range s.Attempts {
		for _, op := range a.Ops {
			touched[row{a.Worker, op.ID}]++
		}
	}
	for _, a := range s.Attempts {
		for _, op := range a.Ops {
			if op.Kind == txn.Update && touched[row{a.Worker, op.ID}] == 1 {
				return a, op
			}
		}
	}
	t.Fatal("no lost attempt updates a row that no other one touches")
	return salvage.Attempt{}, txn.Op{}
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
