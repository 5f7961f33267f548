package compare_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// keysOf lists the findings of rows with their keys, sorted.
func keysOf(found []compare.Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%v %d/%d row %d", f.Class, f.Worker, f.Seq, f.Row))
	}
	slices.Sort(all)
	return all
}

// life is what the committed attempts did to one row, in their order.
type life struct {
	id   txn.RowID
	last []plan.Version
}

// lives gives the lives of a worker's rows, by id.
func (ev *evidence) lives(w txn.Worker) []life {
	all := map[txn.RowID]*life{}
	view := plan.New(testMix, 1, testRun, w)
	for _, e := range ev.entries[w] {
		a := view.Next()
		if slices.ContainsFunc(ev.markers[w], func(m txn.Marker) bool { return m.Seq == a.Seq }) {
			for _, op := range a.Ops {
				if all[op.ID] == nil {
					all[op.ID] = &life{id: op.ID}
				}
				all[op.ID].last = append(all[op.ID].last, plan.Version{Seq: a.Seq, Kind: op.Kind})
			}
		}
		view.Settle(e)
	}
	var sorted []life
	for _, id := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, *all[id])
	}
	return sorted
}

// end is the last of the versions of a row.
func (l life) end() plan.Version { return l.last[len(l.last)-1] }

// plot plants one fault among the rows of a worker, of those that no other plot
// has, and returns the finding that must come of it.
type plot func(t *testing.T, ev *evidence, w txn.Worker, free []life) (used txn.RowID, want string)

// pick takes the first row that fits.
func pick(t *testing.T, free []life, fits func(life) bool) life {
	t.Helper()
	for _, l := range free {
		if fits(l) {
			return l
		}
	}
	t.Fatal("the run has no such row")
	return life{}
}

func updated(l life) bool { return len(l.last) > 1 && l.end().Kind == txn.Update }
func deleted(l life) bool { return l.end().Kind == txn.Delete }
func living(l life) bool  { return l.end().There() }

// back writes a row as an earlier version had it.
func (ev *evidence) back(w txn.Worker, l life, v plan.Version) {
	ev.table(w)[l.id] = written(txn.ID{Run: testRun, Worker: w, Seq: v.Seq}, l.id, v.Kind)
}

var plots = map[string]plot{
	"stale_row": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, updated)
		ev.back(w, l, l.last[len(l.last)-2])
		return l.id, fmt.Sprintf("stale_row %d/%d row %d", w, l.end().Seq, l.id)
	},
	"missing_row": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, living)
		delete(ev.table(w), l.id)
		return l.id, fmt.Sprintf("missing_row %d/%d row %d", w, l.end().Seq, l.id)
	},
	"resurrected_row": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, deleted)
		ev.back(w, l, l.last[0])
		return l.id, fmt.Sprintf("resurrected_row %d/%d row %d", w, l.end().Seq, l.id)
	},
	"corrupt_row": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, living)
		r := ev.table(w)[l.id]
		r.Sum ^= 1 << 7
		ev.table(w)[l.id] = r
		return l.id, fmt.Sprintf("corrupt_row %d/%d row %d", w, l.end().Seq, l.id)
	},
	"alien_row of a new key": func(_ *testing.T, ev *evidence, w txn.Worker, _ []life) (txn.RowID, string) {
		id := txn.RowID(1_000_000)
		ev.table(w)[id] = written(txn.ID{Run: testRun, Worker: w, Seq: 3}, id, txn.Insert)
		return id, fmt.Sprintf("alien_row %d/3 row %d", w, id)
	},
	"alien_row of a seq never sent": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, living)
		ev.back(w, l, plan.Version{Seq: 900, Kind: txn.Update})
		return l.id, fmt.Sprintf("alien_row %d/900 row %d", w, l.id)
	},
	"alien_row of a later attempt": func(t *testing.T, ev *evidence, w txn.Worker, free []life) (txn.RowID, string) {
		l := pick(t, free, func(l life) bool { return living(l) && l.end().Seq < 60 })
		ev.back(w, l, plan.Version{Seq: 60, Kind: txn.Update})
		return l.id, fmt.Sprintf("alien_row %d/60 row %d", w, l.id)
	},
	"alien_row of no sentinel": func(_ *testing.T, ev *evidence, w txn.Worker, _ []life) (txn.RowID, string) {
		ev.table(w)[-7] = written(txn.ID{Run: testRun, Worker: -1, Seq: 7}, -7, txn.Insert)
		return -7, fmt.Sprintf("alien_row %d/7 row -7", w)
	},
	"no finding of an announced sentinel": func(_ *testing.T, ev *evidence, w txn.Worker, _ []life) (txn.RowID, string) {
		ev.table(w)[-1] = written(txn.ID{Run: testRun, Worker: -1, Seq: 1}, -1, txn.Insert)
		return -1, ""
	},
}

// longRun is a clean run in which rows were updated and deleted.
func longRun() *evidence {
	return failover(func(ev *evidence) {
		for range 40 {
			ev.keep(0, before)
			ev.keep(1, before)
		}
	}, func(ev *evidence) {
		for range 40 {
			ev.keep(0, after)
			ev.keep(1, after)
		}
	})
}

func TestRowsOfACleanRun(t *testing.T) {
	for _, payload := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
		c := testCase()
		c.Payload = payload
		res, found := longRun().judge(t, c)
		if len(found) != 0 || res.Verdict != compare.Met || res.PayloadChecked != (payload == compare.PayloadFull) {
			t.Errorf("payload %d: found %v, verdict %v, payload checked: %v", payload, keysOf(found), res.Verdict, res.PayloadChecked)
		}
	}
}

// Each fault alone is found for what it is, with its key; so are all together.
func TestRowFaults(t *testing.T) {
	check := func(t *testing.T, names []string) {
		for _, payload := range []compare.Payload{compare.PayloadSums, compare.PayloadFull} {
			ev, c := longRun(), testCase()
			c.Payload = payload
			var want []string
			for _, w := range []txn.Worker{0, 1} {
				free := ev.lives(w)
				for _, name := range names {
					used, finding := plots[name](t, ev, w, free)
					free = slices.DeleteFunc(free, func(l life) bool { return l.id == used })
					if finding != "" {
						want = append(want, finding)
					}
				}
			}
			slices.Sort(want)
			res, found := ev.judge(t, c)
			if d := cmp.Diff(want, keysOf(found)); d != "" {
				t.Errorf("payload %d (-want +found):\n%s", payload, d)
			}
			if (len(want) > 0) != (res.Verdict == compare.Breached) {
				t.Errorf("verdict %v: %q", res.Verdict, res.Reasons)
			}
		}
	}
	names := slices.Sorted(maps.Keys(plots))
	for _, name := range names {
		t.Run(name, func(t *testing.T) { check(t, []string{name}) })
	}
	t.Run("all together", func(t *testing.T) { check(t, names) })
}

// A marker that is gone while its rows are there is a torn transaction; the
// marker's own loss is told too. What a later attempt overwrote is not visible.
func TestTornTransaction(t *testing.T) {
	ev := longRun()
	ev.table(0)
	var want []string
	torn := txn.Seq(70)
	for _, l := range ev.lives(0) {
		switch last := l.end(); {
		case last.Seq != torn:
		case last.There():
			want = append(want, fmt.Sprintf("torn_transaction 0/70 row %d", l.id))
		default:
			before := l.last[len(l.last)-2]
			want = append(want, fmt.Sprintf("missing_row 0/%d row %d", before.Seq, l.id))
		}
	}
	if len(want) == 0 {
		t.Fatal("the attempt left no row")
	}
	ev.markers[0] = slices.DeleteFunc(ev.markers[0], func(m txn.Marker) bool { return m.Seq == torn })
	_, found := ev.judge(t, testCase())
	found = slices.DeleteFunc(found, func(f compare.Finding) bool { return f.Row == 0 })
	slices.Sort(want)
	if d := cmp.Diff(want, keysOf(found)); d != "" {
		t.Errorf("(-want +found):\n%s", d)
	}
}

// A payload that was changed and its checksum not is seen only where payloads
// are read.
func TestPayloadIsReadOnlyWhereAsked(t *testing.T) {
	for payload, want := range map[compare.Payload]int{compare.PayloadSums: 0, compare.PayloadFull: 1} {
		ev, c := longRun(), testCase()
		c.Payload = payload
		l := pick(t, ev.lives(1), living)
		r := ev.table(1)[l.id]
		r.Payload = append(slices.Clone(r.Payload[:99]), '!')
		ev.table(1)[l.id] = r
		res, found := ev.judge(t, c)
		if len(found) != want || res.Counts[compare.CorruptRow] != int64(want) {
			t.Errorf("payload %d: found %v", payload, keysOf(found))
		}
	}
}

// Of an attempt in doubt that could not be settled, either version of each of
// its rows is accepted.
func TestUnresolvedAttemptsLeaveEitherVersion(t *testing.T) {
	for name, applied := range map[string]struct{ there bool }{"committed": {true}, "rolled back": {false}} {
		t.Run(name, func(t *testing.T) {
			touched := map[txn.Kind]bool{}
			ev := failover(func(ev *evidence) {
				for range 60 {
					ev.keep(0, before)
				}
			}, nil)
			ev.facts.Unresolved = map[txn.ID]string{}
			ev.facts.Reserves = nil
			for range 30 {
				id, _ := ev.send(0, txn.Entry{Conn: after, Phase: txn.Sent})
				ev.facts.Unresolved[id] = "a backend is left"
			}
			ev.settle()
			ev.table(0)
			if applied.there {
				view := plan.New(testMix, 1, testRun, 0)
				for _, e := range ev.entries[0] {
					a := view.Next()
					for _, op := range a.Ops {
						switch {
						case e.Outcome != txn.InDoubt:
						case op.Kind == txn.Delete:
							delete(ev.table(0), op.ID)
						default:
							ev.table(0)[op.ID] = written(a.ID, op.ID, op.Kind)
						}
						touched[op.Kind] = touched[op.Kind] || e.Outcome == txn.InDoubt
					}
					view.Settle(e)
				}
				if len(touched) != 3 || !touched[txn.Delete] || !touched[txn.Update] {
					t.Fatalf("the attempts in doubt do only %v", touched)
				}
			}
			res, found := ev.judge(t, testCase())
			if len(found) != 0 || res.Verdict != compare.Inconclusive {
				t.Errorf("found %v, verdict %v", keysOf(found), res.Verdict)
			}
		})
	}
}

// A row that an unresolved attempt was to update is there in one version or the
// other: that it is absent is a loss.
func TestUnresolvedUpdateLeavesARow(t *testing.T) {
	for keep := range 60 {
		ev := failover(func(ev *evidence) {
			for range 60 + keep {
				ev.keep(0, before)
			}
		}, nil)
		view := plan.New(testMix, 1, testRun, 0)
		for _, e := range ev.entries[0] {
			view.Next()
			view.Settle(e)
		}
		op := view.Next().Ops
		if len(op) != 1 || op[0].Kind != txn.Update {
			continue
		}
		id, _ := ev.send(0, txn.Entry{Conn: after, Phase: txn.Sent})
		ev.facts.Unresolved, ev.facts.Reserves = map[txn.ID]string{id: "a backend is left"}, nil
		ev.settle()
		delete(ev.table(0), op[0].ID)
		_, found := ev.judge(t, testCase())
		if d := cmp.Diff([]string{fmt.Sprintf("missing_row 0/%d row %d", op[0].Expect, op[0].ID)}, keysOf(found)); d != "" {
			t.Errorf("(-want +found):\n%s", d)
		}
		return
	}
	t.Fatal("no attempt updates one row alone")
}

// Rows of a worker whose account is missing are of nobody's, and no breach.
func TestRowsWithoutAnAccount(t *testing.T) {
	ev := longRun()
	ev.table(0)
	ev.facts.TableWorkers = append(ev.facts.TableWorkers, 5)
	ev.tables[5] = map[txn.RowID]txn.Content{1: written(txn.ID{Run: testRun, Worker: 5, Seq: 1}, 1, txn.Insert)}
	res, found := ev.judge(t, testCase())
	if d := cmp.Diff([]string{"alien_row 5/1 row 1"}, keysOf(found)); d != "" || res.Verdict != compare.Breached {
		t.Errorf("all accounts whole, verdict %v (-want +found):\n%s", res.Verdict, d)
	}
	ev.facts.Workers = []txn.Worker{0, 1, 5}
	res, found = ev.judge(t, testCase())
	if len(found) != 0 || res.UnattributedRows != 1 || res.Verdict != compare.Inconclusive {
		t.Errorf("an account is missing: found %v, %d unattributed, verdict %v", keysOf(found), res.UnattributedRows, res.Verdict)
	}
}

// The end of an account is lost: what its attempts did to the rows is not known,
// and no finding; what no attempt can have done is.
func TestRowsPastTheEndOfAnAccount(t *testing.T) {
	cut := func() *evidence {
		ev := longRun()
		ev.table(0)
		ev.entries[0] = ev.entries[0][:70]
		ev.facts.Drivers[0].Closed = false
		for i := range ev.facts.Reserves {
			ev.facts.Reserves[i].Closed = false
		}
		return ev
	}
	res, found := cut().judge(t, testCase())
	if len(found) != 0 || res.Verdict != compare.Inconclusive {
		t.Errorf("found %v, verdict %v", keysOf(found), res.Verdict)
	}
	ev := cut()
	l := pick(t, ev.lives(0), func(l life) bool { return l.end().Kind == txn.Delete && l.end().Seq < 70 })
	ev.back(0, l, plan.Version{Seq: 80, Kind: txn.Update})
	if _, found := ev.judge(t, testCase()); len(found) != 1 || found[0].Class != compare.AlienRow || found[0].Row != l.id {
		t.Errorf("found %v, want an alien row %d", keysOf(found), l.id)
	}
}

// Where the rows cannot be read the run is not proven.
func TestRowsThatCannotBeRead(t *testing.T) {
	for _, name := range []string{"buckets", "rows"} {
		ev := longRun()
		l := pick(t, ev.lives(0), living)
		delete(ev.table(0), l.id)
		ev.broken = name
		res, err := compare.Judge(testCase(), ev.facts, ev, nil)
		if !errors.Is(err, errBroken) || res.Verdict == compare.Met {
			t.Errorf("%s: verdict %v, error %v", name, res.Verdict, err)
		}
	}
}

// Where nobody asked which tables there are, nothing is said of the rows but that.
func TestTablesThatNobodyAskedFor(t *testing.T) {
	ev := longRun()
	ev.facts.TableWorkers = nil
	res, found := ev.judge(t, testCase())
	if len(found) != 0 || res.Verdict != compare.Inconclusive || len(res.Reasons) != 1 {
		t.Errorf("found %v, verdict %v: %q", keysOf(found), res.Verdict, res.Reasons)
	}
}

// A table that is gone has none of its rows.
func TestTableThatIsGone(t *testing.T) {
	ev := longRun()
	ev.facts.TableWorkers = []txn.Worker{1}
	res, found := ev.judge(t, testCase())
	if len(found) != len(ev.table(0)) || res.Counts[compare.MissingRow] != int64(len(found)) {
		t.Errorf("%d findings, %d missing rows of %d", len(found), res.Counts[compare.MissingRow], len(ev.table(0)))
	}
}
