package writer

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// raised is what a server's ERROR with a SQLSTATE means, whenever it comes.
type raised struct {
	state   string
	outcome txn.Outcome
	fault   txn.Fault
}

// states are all classes of appendix A of the PostgreSQL manual, from each the
// states that matter here, and some that are in none of its classes.
func states() []raised {
	const (
		failed  = txn.Failed
		inDoubt = txn.InDoubt
		other   = txn.OtherFault
	)
	return []raised{
		{"01000", inDoubt, other},
		{"02000", inDoubt, other},
		{"03000", inDoubt, other},
		{"08000", inDoubt, other},
		{"08003", inDoubt, other},
		{"08006", inDoubt, other},
		{"08007", inDoubt, other}, // transaction_resolution_unknown
		{"08P01", inDoubt, other},
		{"09000", inDoubt, other},
		{"0A000", inDoubt, other},
		{"0Z000", inDoubt, other},
		{"20000", inDoubt, other},
		{"21000", inDoubt, other},
		{"22000", failed, other},
		{"22001", failed, other},
		{"22012", failed, txn.Miss},
		{"22P02", failed, other},
		{"23000", failed, other},
		{"23502", failed, other},
		{"23503", failed, other},
		{"23505", failed, other},
		{"23P01", failed, other},
		{"24000", inDoubt, other},
		{"25000", failed, other},
		{"25006", failed, txn.ReadOnly},
		{"25P02", failed, other},
		{"25P03", failed, other},
		{"26000", inDoubt, other},
		{"27000", inDoubt, other},
		{"28000", inDoubt, other},
		{"2B000", inDoubt, other},
		{"2D000", inDoubt, other},
		{"2F000", inDoubt, other},
		{"34000", inDoubt, other},
		{"38000", inDoubt, other},
		{"39000", inDoubt, other},
		{"3B000", inDoubt, other},
		{"3D000", inDoubt, other},
		{"3F000", inDoubt, other},
		{"40000", failed, other},
		{"40001", failed, other},
		{"40002", failed, other},
		{"40003", inDoubt, other}, // statement_completion_unknown
		{"40P01", failed, other},
		{"42000", failed, other},
		{"42501", failed, other},
		{"42601", failed, other},
		{"42P01", failed, other},
		{"44000", inDoubt, other},
		{"53000", failed, other},
		{"53100", failed, other},
		{"53200", failed, other},
		{"53300", failed, txn.TooManyConnections},
		{"53400", failed, other},
		{"54000", failed, other},
		{"54001", failed, other},
		{"55000", failed, other},
		{"55006", failed, other},
		{"55P03", failed, other},
		{"57000", inDoubt, other},
		{"57014", failed, other},
		{"57P01", inDoubt, txn.ShuttingDown},
		{"57P02", inDoubt, txn.ShuttingDown},
		{"57P03", inDoubt, txn.StartingUp},
		{"57P04", inDoubt, other},
		{"57P05", inDoubt, other},
		{"58000", inDoubt, other},
		{"58030", inDoubt, other},
		{"72000", inDoubt, other},
		{"F0000", inDoubt, other},
		{"HV000", inDoubt, other},
		{"P0001", inDoubt, other},
		{"XX000", inDoubt, other},
		{"XX001", inDoubt, other},
		{"XX002", inDoubt, other},
		{"4000Z", failed, other},
		{"40004", failed, other},
		{"57013", inDoubt, other},
		{"57015", inDoubt, other},
		{"5A000", inDoubt, other},
		{"2A000", inDoubt, other},
		{"ZZZZZ", inDoubt, other},
	}
}

// TestRaisedStates has a real server raise each SQLSTATE, in a statement and
// when it commits: no marker is ever there, a failed attempt leaves the session
// whole, and one in doubt ends it.
func TestRaisedStates(t *testing.T) {
	for _, when := range []moment{atOnce, atCommit} {
		for _, f := range both() {
			t.Run(string(when)+"/"+f.String(), func(t *testing.T) {
				b := newBench(t, shared, f.inserts(), func(c *Config) { c.Mix.MaxOps += 8 * int(f) })
				defer b.restore()
				b.trigger(when, "null")
				for i, s := range states() {
					b.sql(fmt.Sprintf("create or replace function on_marker_%d() returns trigger language plpgsql as $$begin raise exception using errcode = '%s'; end$$",
						b.config.Run, s.state))
					b.worker.backoff.reset()
					if b.worker.session == nil {
						b.connect()
					}
					b.send(nil)
					want := judged(s.outcome, txn.Answered, s.fault, s.state)
					got := plain(b.entries[b.worker.number][i])
					got.LSN, got.Xid, got.Conn = 0, 0, 0
					same(t, s.state, got, want)
					ends := s.outcome == txn.InDoubt || s.fault == txn.ReadOnly
					if ended := b.worker.session == nil; ended != ends {
						t.Errorf("%s: the session has ended: %v, want %v", s.state, ended, ends)
					}
				}
				if n := b.number(fmt.Sprintf("select count(*) from pgrpo.marker where run = %d", b.config.Run)); n != 0 {
					t.Errorf("%d markers of attempts that an error ended", n)
				}
				if n := b.number("select count(*) from " + b.table()); n != 0 {
					t.Errorf("%d rows of attempts that an error ended", n)
				}
			})
		}
	}
}
