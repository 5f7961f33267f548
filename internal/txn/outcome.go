package txn

import "fmt"

// Outcome is what the client knows of an attempt's fate. Its zero value is
// in-doubt: whatever was not proven otherwise.
type Outcome uint8

// The outcomes.
const (
	// InDoubt means that the transaction may or may not have committed.
	InDoubt Outcome = iota
	// Acked means that the server promised the commit without reserve.
	Acked
	// AckedUnreplicated means success, with the warning that the wait for
	// synchronous replication was cancelled.
	AckedUnreplicated
	// Failed means certainly rolled back.
	Failed
)

// String names the outcome as the report does.
func (o Outcome) String() string {
	switch o {
	case InDoubt:
		return "in_doubt"
	case Acked:
		return "acked"
	case AckedUnreplicated:
		return "acked_unreplicated"
	case Failed:
		return "failed"
	default:
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
}

// IsAck tells whether the client was told that the transaction committed.
func (o Outcome) IsAck() bool { return o == Acked || o == AckedUnreplicated }

// Phase is how far an attempt had come when it ended.
type Phase uint8

// The phases. Its zero value claims nothing.
const (
	// PhaseUnknown stands for an entry that says nothing of its phase.
	PhaseUnknown Phase = iota
	// NotSent means that a seq was taken but no byte of it was written.
	NotSent
	// Sent means that bytes were written, and no reply to COMMIT was seen.
	Sent
	// Answered means that ReadyForQuery, or a FATAL error, ended it.
	Answered
)

// String names the phase for people.
func (p Phase) String() string {
	switch p {
	case NotSent:
		return "not_sent"
	case Sent:
		return "sent"
	case Answered:
		return "answered"
	default:
		return "unknown"
	}
}

// Fault is the kind of trouble that ended an attempt or a connect.
type Fault uint8

// The faults, as the report's rto.errors counts them.
const (
	NoFault Fault = iota
	Refused
	Reset
	Timeout
	ReadOnly
	StartingUp
	ShuttingDown
	TooManyConnections
	// Miss is an operation that did not find its row (22012): a loss seen
	// online.
	Miss
	// OtherFault is any other error.
	OtherFault
)

// String names the fault as the report does.
func (f Fault) String() string {
	names := [...]string{"none", "refused", "reset", "timeout", "read_only", "starting_up", "shutting_down", "too_many_connections", "miss", "other"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fault(%d)", uint8(f))
}
