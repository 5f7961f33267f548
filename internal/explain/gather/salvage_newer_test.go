package gather_test

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// newerStays does to a row what somebody may do after a failover, and salvages then:
// a row that is no longer what the lost attempt had to find stays as it is. One that
// still is so is brought back.
func (l lossy) newerStays(t *testing.T, script salvage.Script, sql string) {
	t.Helper()
	const (
		newer   = "update %s set seq = 777777, payload = 'newer' where %s"
		byHand  = "update %s set payload = 'newer' where %s"
		gone    = "delete from %s where %s"
		another = "with o as (delete from %[1]s where %[2]s returning *) insert into %[1]s (id, seq, run, crc, payload) select id, seq, run, crc, 'newer' from o"
		touched = "update %s set seq = seq where %s"
	)
	for _, c := range []struct {
		kind   txn.Kind
		name   string
		change string // takes the table and what finds the row
		stays  bool
	}{
		{txn.Update, "a newer version", newer, true},
		{txn.Update, "changed by hand", byHand, true},
		{txn.Update, "deleted", gone, true},
		{txn.Update, "deleted and inserted", another, true},
		{txn.Update, "as it had to be", touched, false},
		{txn.Delete, "a newer version", newer, true},
		{txn.Delete, "changed by hand", byHand, true},
		{txn.Delete, "deleted and inserted", another, true},
		{txn.Delete, "as it had to be", touched, false},
		{txn.Insert, "there by hand", byHand, true},
		{txn.Insert, "absent", gone, false},
	} {
		t.Run(fmt.Sprintf("%s, %s", c.kind, c.name), func(t *testing.T) {
			v := l.cluster.Standby
			a, op := alone(t, script, c.kind)
			found := l.found(a, op)
			l.forget(t, v, a)
			table, row := "pgrpo."+txn.TableOf(a.Worker), fmt.Sprintf("run = %d and id = %d", l.run, op.ID)
			check(t, v.Exec(t.Context(), fmt.Sprintf("delete from %s where %s", table, row)))
			check(t, v.Exec(t.Context(), fmt.Sprintf("insert into %s (id, seq, run, crc, payload) values (%d, %d, %d, 0, '%s')", table, op.ID, found.Seq, l.run,
				txn.AppendPayload(nil, l.config.Seed, found, op.ID, l.config.Mix.PayloadBytes))))
			check(t, v.Exec(t.Context(), fmt.Sprintf(c.change, table, row)))
			shown := func() string {
				text, err := v.Value(t.Context(), fmt.Sprintf("select count(*) || coalesce(max(seq || payload), '') from %s where %s", table, row))
				check(t, err)
				return text
			}
			before := shown()
			apply(t, v, sql)
			if after := shown(); (after == before) != c.stays || !markerOn(t, v, a.ID) {
				t.Errorf("the row was %s and is %s, want that it stays: %t", before, after, c.stays)
			}
		})
	}
}

// found is the attempt whose version of the row the operation had to find, the
// attempt itself for an insert.
func (l lossy) found(a salvage.Attempt, op txn.Op) txn.ID {
	if op.Kind == txn.Insert {
		return a.ID
	}
	return txn.ID{Run: l.run, Worker: a.Worker, Seq: op.Expect}
}

// forget makes a salvaged attempt absent again, but for its rows.
func (l lossy) forget(t *testing.T, v *sandbox.Server, a salvage.Attempt) {
	t.Helper()
	for _, from := range []string{"marker", "restored"} {
		check(t, v.Exec(t.Context(), fmt.Sprintf("delete from pgrpo.%s where run = %d and worker = %d and seq = %d", from, l.run, a.Worker, a.Seq)))
	}
}

// alone is a salvaged operation of that kind on a row that no other salvaged attempt
// touches.
func alone(t *testing.T, s salvage.Script, kind txn.Kind) (salvage.Attempt, txn.Op) {
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
			if op.Kind == kind && touched[row{a.Worker, op.ID}] == 1 {
				return a, op
			}
		}
	}
	t.Fatalf("no lost attempt has an %s of a row that no other one touches", kind)
	return salvage.Attempt{}, txn.Op{}
}
