package verdict_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// loaded is a run that ended well, with its servers still there.
type loaded struct {
	t        *testing.T
	conn     *pgconn.PgConn
	config   run.Config
	evidence *run.Evidence
	// rows are the lives of the rows of worker 0, by id.
	rows map[txn.RowID][]plan.Version
	// ops are the operations of its acked attempts.
	ops map[txn.Seq][]txn.Op
	end txn.Seq
}

// load runs a load without a fault, of every kind of operation.
func load(t *testing.T) *loaded {
	c := config(t)
	c.Duration = 0
	c.Fault = func(ctx context.Context) error {
		return untilHolds(ctx, c.Primary, "select count(*) >= 1500 from pgrpo.marker")
	}
	e, err := run.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	conn, err := node.Connect(t.Context(), c.Primary, "verdict test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close(conn) })
	l := &loaded{t: t, conn: conn, config: c, evidence: e, rows: map[txn.RowID][]plan.Version{}, ops: map[txn.Seq][]txn.Op{}}
	view := plan.New(e.Record.Mix, e.Record.Seed, e.Record.Run, 0)
	for block, err := range e.Repo.Entries(t.Context(), e.Record.Run, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range block.Len() {
			var entry txn.Entry
			if err := entry.Decode(block.Raw[i*txn.EntryBytes:]); err != nil {
				t.Fatal(err)
			}
			a := view.Next()
			l.end = a.Seq
			if entry.Outcome == txn.Acked {
				l.ops[a.Seq] = slices.Clone(a.Ops)
				for _, op := range a.Ops {
					l.rows[op.ID] = append(l.rows[op.ID], plan.Version{Seq: a.Seq, Kind: op.Kind})
				}
			}
			view.Settle(entry)
		}
	}
	return l
}

// within makes a part of the test the one that fails, until it is undone.
func (l *loaded) within(t *testing.T) (undo func()) {
	whole := l.t
	l.t = t
	return func() { l.t = whole }
}

func (l *loaded) exec(format string, args ...any) {
	l.t.Helper()
	if _, err := l.conn.Exec(l.t.Context(), fmt.Sprintf(format, args...)).ReadAll(); err != nil {
		l.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// put writes a row as a version of it was.
func (l *loaded) put(id txn.RowID, v plan.Version) {
	r := l.evidence.Record
	by := txn.ID{Run: r.Run, Worker: 0, Seq: v.Seq}
	payload := txn.AppendPayload(nil, r.Seed, by, id, r.Mix.PayloadBytes)
	l.exec(`insert into pgrpo.worker_0000 (id, seq, run, crc, payload) values (%d, %d, %d, %d, '%s')
 on conflict (run, id) do update set seq = excluded.seq, crc = excluded.crc, payload = excluded.payload`,
		id, v.Seq, r.Run, txn.SumOf(by, id, v.Kind, payload), payload)
}

// pick takes the newest row that fits, and takes it from the others.
func (l *loaded) pick(free map[txn.RowID][]plan.Version, fits func([]plan.Version) bool) (txn.RowID, []plan.Version) {
	l.t.Helper()
	ids := slices.Sorted(maps.Keys(free))
	for _, id := range slices.Backward(ids) {
		if v := free[id]; fits(v) {
			delete(free, id)
			return id, v
		}
	}
	l.t.Fatal("the load left no such row")
	return 0, nil
}

func last(v []plan.Version) plan.Version { return v[len(v)-1] }
func living(v []plan.Version) bool       { return last(v).There() }

// judge reaches a verdict and lists the findings.
func (l *loaded) judge(payload compare.Payload) (report.Report, []string) {
	l.t.Helper()
	r, err := verdict.Reach(l.t.Context(), l.evidence, compare.Case{Expect: compare.ExpectNone, Payload: payload})
	if err != nil {
		l.t.Fatal(err)
	}
	var all []string
	for _, f := range l.findings() {
		var body compare.Finding
		if err := json.Unmarshal(f.Body, &body); err != nil {
			l.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %d/%d row %d", f.Class, f.Worker, f.Seq, body.Row))
	}
	slices.Sort(all)
	return r, all
}

// findings reads those of the last judgement from the repo.
func (l *loaded) findings() []repo.Finding {
	l.t.Helper()
	var all []repo.Finding
	for f, err := range l.evidence.Repo.Findings(l.t.Context(), l.evidence.Record.Run) {
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// damage is one thing done to the survivor between load and judgement, and the
// findings that must come of it.
type damage func(l *loaded, free map[txn.RowID][]plan.Version) []string

var damages = map[string]damage{
	"a row is deleted": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		id, v := l.pick(free, living)
		l.exec("delete from pgrpo.worker_0000 where id = %d", id)
		return []string{fmt.Sprintf("missing_row 0/%d row %d", last(v).Seq, id)}
	},
	"a deleted row is put back": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		id, v := l.pick(free, func(v []plan.Version) bool { return last(v).Kind == txn.Delete })
		l.put(id, v[len(v)-2])
		return []string{fmt.Sprintf("resurrected_row 0/%d row %d", last(v).Seq, id)}
	},
	"a row is set back": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		id, v := l.pick(free, func(v []plan.Version) bool { return len(v) > 1 && living(v) })
		l.put(id, v[len(v)-2])
		return []string{fmt.Sprintf("stale_row 0/%d row %d", last(v).Seq, id)}
	},
	"a checksum is changed": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		id, v := l.pick(free, living)
		l.exec("update pgrpo.worker_0000 set crc = crc # 1 where id = %d", id)
		return []string{fmt.Sprintf("corrupt_row 0/%d row %d", last(v).Seq, id)}
	},
	"the checksums of two rows are swapped": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		one, v := l.pick(free, living)
		two, u := l.pick(free, living)
		l.exec("update pgrpo.worker_0000 w set crc = o.crc from pgrpo.worker_0000 o where w.id in (%d, %d) and o.id = %d - w.id", one, two, one+two)
		return []string{fmt.Sprintf("corrupt_row 0/%d row %d", last(v).Seq, one), fmt.Sprintf("corrupt_row 0/%d row %d", last(u).Seq, two)}
	},
	"an alien row": func(l *loaded, _ map[txn.RowID][]plan.Version) []string {
		l.put(7_000_000, plan.Version{Seq: 1, Kind: txn.Insert})
		return []string{"alien_row 0/1 row 7000000"}
	},
	"an alien marker": func(l *loaded, _ map[txn.RowID][]plan.Version) []string {
		l.exec("insert into pgrpo.marker (seq, run, worker, ops, crc) values (8000000, %d, 0, 1, 1)", l.evidence.Record.Run)
		return []string{"alien_row 0/8000000 row 0"}
	},
	"a marker is deleted and its rows are left": func(l *loaded, free map[txn.RowID][]plan.Version) []string {
		// The newest attempt, but the last, all of whose rows are there as
		// it wrote them.
		for seq := l.end - 1; seq > 0; seq-- {
			ops := l.ops[seq]
			if len(ops) == 0 || slices.ContainsFunc(ops, func(op txn.Op) bool {
				return len(free[op.ID]) == 0 || !living(free[op.ID]) || last(free[op.ID]).Seq != seq
			}) {
				continue
			}
			l.exec("delete from pgrpo.marker where worker = 0 and seq = %d", seq)
			want := []string{
				fmt.Sprintf("lost_transaction 0/%d row 0", seq), fmt.Sprintf("hole 0/%d row 0", seq),
				fmt.Sprintf("captured_lost 0/%d row 0", seq), fmt.Sprintf("witness_disagreement 0/%d row 0", seq),
			}
			for _, op := range ops {
				delete(free, op.ID)
				want = append(want, fmt.Sprintf("torn_transaction 0/%d row %d", seq, op.ID))
			}
			return want
		}
		l.t.Fatal("the load left no such attempt")
		return nil
	},
}

// What is done to the rows of a real survivor is found, each deed alone and all
// together, with the right keys; an untouched survivor has nothing to find.
func TestRowsOfARealSurvivor(t *testing.T) {
	l := load(t)
	l.exec("create schema kept; create table kept.marker as table pgrpo.marker; create table kept.rows as table pgrpo.worker_0000")
	restore := func() {
		l.exec(`delete from pgrpo.marker; insert into pgrpo.marker (seq, run, worker, ops, crc) select seq, run, worker, ops, crc from kept.marker;
 delete from pgrpo.worker_0000; insert into pgrpo.worker_0000 (id, seq, run, crc, payload) select id, seq, run, crc, payload from kept.rows`)
	}
	untouched := func(t *testing.T, payload compare.Payload, want string) {
		r, found := l.judge(payload)
		if len(found) != 0 || r.Judged() != compare.Met || r.Payload != want {
			t.Errorf("verdict %s, payload %s, found %v: %q", r.Verdict, r.Payload, found, r.Reasons)
		}
		if r.Attempts.Acked < 100 {
			t.Errorf("only %d attempts were acknowledged", r.Attempts.Acked)
		}
		l.keepsAndRechecks(payload, r)
	}
	untouched(t, compare.PayloadSums, "not checked")
	untouched(t, compare.PayloadFull, "checked")
	check := func(t *testing.T, names ...string) {
		defer l.within(t)()
		free := maps.Clone(l.rows)
		var want []string
		for _, name := range names {
			want = append(want, damages[name](l, free)...)
		}
		slices.Sort(want)
		for _, payload := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
			r, found := l.judge(payload)
			if d := cmp.Diff(want, found); d != "" || r.Judged() != compare.Breached {
				t.Errorf("payload %d, verdict %s (-want +found):\n%s", payload, r.Verdict, d)
			}
			if len(names) > 1 {
				l.keepsAndRechecks(payload, r)
			}
		}
		restore()
	}
	names := slices.Sorted(maps.Keys(damages))
	for _, name := range names {
		t.Run(name, func(t *testing.T) { check(t, name) })
	}
	t.Run("all together", func(t *testing.T) { check(t, names...) })
	t.Run("a payload is changed", func(t *testing.T) {
		defer l.within(t)()
		id, v := l.pick(maps.Clone(l.rows), living)
		l.exec("update pgrpo.worker_0000 set payload = overlay(payload placing '!' from 3) where id = %d", id)
		if _, found := l.judge(compare.PayloadSums); len(found) != 0 {
			t.Errorf("by sums: found %v", found)
		}
		want := []string{fmt.Sprintf("corrupt_row 0/%d row %d", last(v).Seq, id)}
		r, found := l.judge(compare.PayloadFull)
		if !slices.Equal(found, want) {
			t.Errorf("by payloads: found %v, want %v", found, want)
		}
		l.keepsAndRechecks(compare.PayloadFull, r)
		restore()
	})
	untouched(t, compare.PayloadSums, "not checked")
}
