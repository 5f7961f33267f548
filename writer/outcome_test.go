package writer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestSettle(t *testing.T) {
	one := reply{write: wroteSome, severity: noError, commit: noCommit, results: complete, ready: 'I'}
	many := reply{write: wroteSome, severity: noError, commit: committed, results: complete, ready: 'I'}
	with := func(r reply, change func(*reply)) reply { change(&r); return r }
	refused := func(r reply, severity, state string, ready byte) reply {
		r.severity, r.state, r.ready, r.results = severityOf(severity), txn.StateOf(state), ready, incomplete
		if r.commit == committed {
			r.commit = unanswered
		}
		return r
	}
	cut := func(r reply, f txn.Fault) reply {
		r.ready, r.broken, r.results = 0, f, incomplete
		if r.commit == committed {
			r.commit = unanswered
		}
		return r
	}
	warned := func(r *reply) { r.warned = true }
	tests := []struct {
		name    string
		reply   reply
		outcome txn.Outcome
		phase   txn.Phase
		fault   txn.Fault
	}{
		{"nothing known", reply{}, txn.InDoubt, txn.Sent, txn.OtherFault},
		{"one statement, all fine", one, txn.Acked, txn.Answered, txn.NoFault},
		{"several statements, all fine", many, txn.Acked, txn.Answered, txn.NoFault},
		{"one statement, warned", with(one, warned), txn.AckedUnreplicated, txn.Answered, txn.NoFault},
		{"several statements, warned", with(many, warned), txn.AckedUnreplicated, txn.Answered, txn.NoFault},
		{"not a byte written", reply{write: wroteNothing, severity: noError, commit: noCommit, results: incomplete, broken: txn.Reset}, txn.Failed, txn.NotSent, txn.Reset},
		{"end of file after the tag, before ready", with(many, func(r *reply) { r.ready, r.broken = 0, txn.Reset }), txn.InDoubt, txn.Sent, txn.Reset},
		{"all but ready came", with(one, func(r *reply) { r.ready = 0 }), txn.InDoubt, txn.Sent, txn.OtherFault},
		{"deadline", cut(one, txn.Timeout), txn.InDoubt, txn.Sent, txn.Timeout},
		{"reset", cut(many, txn.Reset), txn.InDoubt, txn.Sent, txn.Reset},
		{"ready in a transaction", with(one, func(r *reply) { r.ready = 'T' }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"ready in a failed transaction without an error", with(many, func(r *reply) { r.ready = 'E' }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"a result is missing", with(one, func(r *reply) { r.results = incomplete }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"the tag of COMMIT is missing", with(many, func(r *reply) { r.commit = unanswered }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"ROLLBACK for COMMIT", with(many, func(r *reply) { r.commit = rolledBack }), txn.Failed, txn.Answered, txn.OtherFault},
		{"ROLLBACK for COMMIT, then cut", with(many, func(r *reply) { r.commit, r.ready, r.broken = rolledBack, 0, txn.Reset }), txn.InDoubt, txn.Sent, txn.Reset},
		{"error after COMMIT", with(many, func(r *reply) { r.severity, r.state = isError, txn.StateOf("40001") }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"error of unknown severity", refused(one, "", "23505", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"translated severity", refused(one, "FEHLER", "23505", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"state that is none", with(refused(one, "ERROR", "23505", 'I'), func(r *reply) { r.state = txn.SQLState{} }), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"miss", refused(one, "ERROR", "22012", 'I'), txn.Failed, txn.Answered, txn.Miss},
		{"miss among several", refused(many, "ERROR", "22012", 'E'), txn.Failed, txn.Answered, txn.Miss},
		{"error, then cut", with(refused(many, "ERROR", "23505", 0), func(r *reply) { r.broken = txn.Reset }), txn.InDoubt, txn.Sent, txn.OtherFault},
		{"duplicate key", refused(one, "ERROR", "23505", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"read-only", refused(one, "ERROR", "25006", 'I'), txn.Failed, txn.Answered, txn.ReadOnly},
		{"serialization failure", refused(many, "ERROR", "40001", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"deadlock", refused(many, "ERROR", "40P01", 'E'), txn.Failed, txn.Answered, txn.OtherFault},
		{"completion unknown", refused(many, "ERROR", "40003", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"table absent", refused(one, "ERROR", "42P01", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"disk full", refused(one, "ERROR", "53100", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"too many connections, as an error", refused(one, "ERROR", "53300", 'I'), txn.Failed, txn.Answered, txn.TooManyConnections},
		{"limit exceeded", refused(one, "ERROR", "54000", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"lock timeout", refused(one, "ERROR", "55P03", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"cancelled", refused(one, "ERROR", "57014", 'I'), txn.Failed, txn.Answered, txn.OtherFault},
		{"shutdown, as an error", refused(one, "ERROR", "57P01", 'I'), txn.InDoubt, txn.Answered, txn.ShuttingDown},
		{"connection class", refused(one, "ERROR", "08006", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"system error", refused(one, "ERROR", "58030", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"internal error", refused(one, "ERROR", "XX000", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"statement name unknown", refused(one, "ERROR", "26000", 'I'), txn.InDoubt, txn.Answered, txn.OtherFault},
		{"terminated", refused(one, "FATAL", "57P01", 0), txn.InDoubt, txn.Answered, txn.ShuttingDown},
		{"terminated by a crash", refused(many, "FATAL", "57P02", 0), txn.InDoubt, txn.Answered, txn.ShuttingDown},
		{"starting up", refused(one, "FATAL", "57P03", 0), txn.InDoubt, txn.Answered, txn.StartingUp},
		{"fatal, in a class that may fail", refused(one, "FATAL", "53300", 0), txn.InDoubt, txn.Answered, txn.TooManyConnections},
		{"panic", refused(one, "PANIC", "53100", 0), txn.InDoubt, txn.Answered, txn.OtherFault},
	}
	fits := make(map[int]bool)
	for _, tt := range tests {
		outcome, phase, fault := settle(tt.reply)
		if outcome != tt.outcome || phase != tt.phase || fault != tt.fault {
			t.Errorf("%s: settle(%+v) = %v, %v, %v; want %v, %v, %v", tt.name, tt.reply, outcome, phase, fault, tt.outcome, tt.phase, tt.fault)
		}
		for i, u := range rules() {
			if u.fits(tt.reply) {
				fits[i] = true
				break
			}
		}
	}
	for i, u := range rules() {
		if !fits[i] {
			t.Errorf("no case reaches rule %d: %+v", i, u)
		}
	}
}

// TestAckNeedsAll states what an ack is made of, over all replies.
func TestAckNeedsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A reply always says what was written.
		r := reply{
			write:    write(rapid.IntRange(1, 2).Draw(t, "write")),
			severity: severity(rapid.SampledFrom([]int{0, 1, 1, 1, 2, 3, 4, 5}).Draw(t, "severity")),
			state:    txn.StateOf(rapid.SampledFrom([]string{"", "", "22012", "40003", "57P01", "XX000", "25006"}).Draw(t, "state")),
			commit:   commit(rapid.IntRange(0, 4).Draw(t, "commit")),
			results:  results(rapid.IntRange(0, 2).Draw(t, "results")),
			warned:   rapid.Bool().Draw(t, "warned"),
			ready:    rapid.SampledFrom([]byte{0, 'I', 'T', 'E'}).Draw(t, "ready"),
		}
		outcome, _, _ := settle(r)
		whole := r.severity == noError && r.ready == 'I' && r.results == complete &&
			(r.commit == noCommit || r.commit == committed) && r.write != wroteNothing
		if outcome.IsAck() != whole {
			t.Fatalf("settle(%+v) = %v", r, outcome)
		}
		if whole && (outcome == txn.AckedUnreplicated) != r.warned {
			t.Fatalf("settle(%+v) = %v", r, outcome)
		}
	})
}

// TestOnlyAcksHaveNoFault states what the judge holds against every entry: an
// acked one has no fault, and any other has one.
func TestOnlyAcksHaveNoFault(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reply{
			write:    write(rapid.IntRange(1, 2).Draw(t, "write")),
			severity: severity(rapid.IntRange(1, 5).Draw(t, "severity")),
			commit:   commit(rapid.IntRange(1, 4).Draw(t, "commit")),
			results:  results(rapid.IntRange(1, 2).Draw(t, "results")),
			warned:   rapid.Bool().Draw(t, "warned"),
			ready:    rapid.SampledFrom([]byte{0, 'I', 'T', 'E'}).Draw(t, "ready"),
		}
		if r.severity != noError {
			r.state = txn.StateOf(rapid.SampledFrom([]string{"", "22012", "57P01", "XX000"}).Draw(t, "state"))
		}
		if r.ready == 0 {
			r.broken = rapid.SampledFrom([]txn.Fault{txn.NoFault, txn.Reset, txn.Timeout}).Draw(t, "broken")
		}
		if outcome, _, fault := settle(r); outcome.IsAck() != (fault == txn.NoFault) {
			t.Fatalf("settle(%+v) = %v with the fault %v", r, outcome, fault)
		}
	})
}

func TestConnectFault(t *testing.T) {
	tests := []struct {
		err   error
		fault txn.Fault
		state string
	}{
		{syscall.ECONNREFUSED, txn.Refused, ""},
		{syscall.ECONNRESET, txn.Reset, ""},
		{syscall.EPIPE, txn.Reset, ""},
		{io.EOF, txn.Reset, ""},
		{os.ErrDeadlineExceeded, txn.Timeout, ""},
		{&net.DNSError{IsTimeout: true}, txn.Timeout, ""},
		{&net.DNSError{IsNotFound: true}, txn.OtherFault, ""},
		{&pgconn.PgError{Code: "57P03"}, txn.StartingUp, "57P03"},
		{&pgconn.PgError{Code: "53300"}, txn.TooManyConnections, "53300"},
		{&pgconn.PgError{Code: "28P01"}, txn.OtherFault, "28P01"},
		{pgconn.ErrReadOnlyConnection, txn.ReadOnly, ""},
		{errors.New("other"), txn.OtherFault, ""},
	}
	for _, tt := range tests {
		fault, state := connectFault(fmt.Errorf("connect: %w", tt.err))
		if fault != tt.fault || state.String() != tt.state {
			t.Errorf("connectFault(%v) = %v, %q; want %v, %q", tt.err, fault, state, tt.fault, tt.state)
		}
	}
}
