package writer

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// reply is what the client saw of one attempt, from its first byte to the end
// of the answer. The zero value is an attempt of which nothing is known.
type reply struct {
	write write
	// severity and state are of the first error, or of the one that ended the
	// session.
	severity severity
	state    txn.SQLState
	// commit is what became of the COMMIT that was sent.
	commit commit
	// results tells whether every statement was answered in full.
	results results
	// warned says that a plain warning, 01000, came before the end.
	warned bool
	// ready is the transaction status of ReadyForQuery: 'I', 'T' or 'E'; 0
	// if it did not come.
	ready byte
	// broken is why reading or writing ended early; NoFault if it did not.
	broken txn.Fault
}

// write is how much of an attempt was written.
type write uint8

const (
	anyWrite write = iota
	wroteNothing
	wroteSome
)

// severity is the field V of an error, which is never translated.
type severity uint8

const (
	anySeverity severity = iota
	// noError: none came.
	noError
	isError
	isFatal
	isPanic
	// strange: an error came whose severity is missing or not known.
	strange
)

// severityOf reads the field V.
func severityOf(v string) severity {
	switch v {
	case "ERROR":
		return isError
	case "FATAL":
		return isFatal
	case "PANIC":
		return isPanic
	default:
		return strange
	}
}

// commit is what was seen of the COMMIT.
type commit uint8

const (
	anyCommit commit = iota
	// noCommit: none was sent, the transaction is one statement.
	noCommit
	// unanswered: it was sent, and no tag came back.
	unanswered
	// committed: the tag is COMMIT.
	committed
	// rolledBack: the tag is ROLLBACK.
	rolledBack
)

// results tells whether the answer holds all that it must.
type results uint8

const (
	anyResults results = iota
	incomplete
	complete
)

// warning narrows a rule to replies with or without a warning.
type warning uint8

const (
	anyWarning warning = iota
	withWarning
)

// ending narrows a rule to replies that ended before ReadyForQuery.
type ending uint8

const (
	anyEnding ending = iota
	cutShort
)

// rule maps replies of one shape to an outcome. A zero field fits any reply;
// state fits as a prefix of the SQLSTATE.
type rule struct {
	write    write
	severity severity
	state    string
	commit   commit
	results  results
	warning  warning
	ending   ending
	ready    byte
	outcome  txn.Outcome
}

// rules is the whole judgement of a reply: the first rule that fits decides,
// and a reply that fits none is in doubt. An attempt failed only where this
// table says so; a success needs ReadyForQuery with status I, because the tag
// of a statement that is its own transaction comes before the commit. An error
// needs ReadyForQuery too: a server that fails after it has written the commit
// says so by an error of any class, and then panics (PostgreSQL's xact.c,
// RecordTransactionAbort).
func rules() [24]rule {
	const e = isError
	return [24]rule{
		{write: wroteNothing, outcome: txn.Failed},
		{severity: e, commit: committed, outcome: txn.InDoubt},
		{severity: e, ending: cutShort, outcome: txn.InDoubt},
		{severity: e, state: "40003", outcome: txn.InDoubt}, // statement completion unknown
		{severity: e, state: "22", outcome: txn.Failed},     // data exception; 22012 is a miss
		{severity: e, state: "23", outcome: txn.Failed},     // integrity constraint violation
		{severity: e, state: "25", outcome: txn.Failed},     // invalid transaction state; 25006 is read-only
		{severity: e, state: "40", outcome: txn.Failed},     // transaction rollback
		{severity: e, state: "42", outcome: txn.Failed},     // syntax error or access rule violation
		{severity: e, state: "53", outcome: txn.Failed},     // insufficient resources
		{severity: e, state: "54", outcome: txn.Failed},     // program limit exceeded
		{severity: e, state: "55", outcome: txn.Failed},     // object not in prerequisite state
		{severity: e, state: "57014", outcome: txn.Failed},  // query cancelled
		{severity: e, outcome: txn.InDoubt},
		{severity: isFatal, outcome: txn.InDoubt},
		{severity: isPanic, outcome: txn.InDoubt},
		{severity: strange, outcome: txn.InDoubt},
		{severity: noError, commit: rolledBack, ready: 'I', outcome: txn.Failed},
		{results: incomplete, outcome: txn.InDoubt},
		{commit: unanswered, outcome: txn.InDoubt},
		{severity: noError, commit: noCommit, results: complete, warning: withWarning, ready: 'I', outcome: txn.AckedUnreplicated},
		{severity: noError, commit: committed, results: complete, warning: withWarning, ready: 'I', outcome: txn.AckedUnreplicated},
		{severity: noError, commit: noCommit, results: complete, ready: 'I', outcome: txn.Acked},
		{severity: noError, commit: committed, results: complete, ready: 'I', outcome: txn.Acked},
	}
}

func (u rule) fits(r reply) bool {
	return (u.write == anyWrite || u.write == r.write) &&
		(u.severity == anySeverity || u.severity == r.severity) &&
		strings.HasPrefix(r.state.String(), u.state) &&
		(u.commit == anyCommit || u.commit == r.commit) &&
		(u.results == anyResults || u.results == r.results) &&
		(u.warning == anyWarning || r.warned) &&
		(u.ending == anyEnding || r.ready == 0) &&
		(u.ready == 0 || u.ready == r.ready)
}

// settle says what a reply means. It is the only place that does.
func settle(r reply) (txn.Outcome, txn.Phase, txn.Fault) {
	outcome := txn.InDoubt
	table := rules()
	for i := range table {
		if table[i].fits(r) {
			outcome = table[i].outcome
			break
		}
	}
	return outcome, phaseOf(r), faultOf(r, outcome)
}

func phaseOf(r reply) txn.Phase {
	switch {
	case r.write == wroteNothing:
		return txn.NotSent
	case r.ready != 0, r.severity == isFatal, r.severity == isPanic:
		return txn.Answered
	default:
		return txn.Sent
	}
}

func faultOf(r reply, outcome txn.Outcome) txn.Fault {
	switch {
	case r.state != (txn.SQLState{}):
		return stateFault(r.state)
	case r.broken != txn.NoFault:
		return r.broken
	case outcome.IsAck():
		return txn.NoFault
	default:
		return txn.OtherFault
	}
}

// stateFault sorts a SQLSTATE (PostgreSQL manual, appendix A).
func stateFault(s txn.SQLState) txn.Fault {
	switch s.String() {
	case "22012": // division_by_zero, which the statements raise on a miss
		return txn.Miss
	case "25006": // read_only_sql_transaction
		return txn.ReadOnly
	case "57P01", "57P02": // admin_shutdown, crash_shutdown
		return txn.ShuttingDown
	case "57P03": // cannot_connect_now
		return txn.StartingUp
	case "53300": // too_many_connections
		return txn.TooManyConnections
	default:
		return txn.OtherFault
	}
}

// ioFault sorts an error of the network or of a connect without a word from
// the server.
func ioFault(err error) txn.Fault {
	var timeout net.Error
	switch {
	case err == nil:
		return txn.NoFault
	case errors.Is(err, os.ErrDeadlineExceeded), pgconn.Timeout(err), errors.As(err, &timeout) && timeout.Timeout():
		return txn.Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return txn.Refused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return txn.Reset
	case errors.Is(err, pgconn.ErrReadOnlyConnection), errors.Is(err, pgconn.ErrStandbyConnection):
		return txn.ReadOnly
	default:
		return txn.OtherFault
	}
}

// connectFault sorts the error of a connect that failed.
func connectFault(err error) (txn.Fault, txn.SQLState) {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		state := txn.StateOf(pe.Code)
		return stateFault(state), state
	}
	return ioFault(err), txn.SQLState{}
}
