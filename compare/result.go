package compare

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// SampleSize is how many findings of each class a result keeps; the counts are
// of all.
const SampleSize = 10

// Result is what the judge has to say of a run.
type Result struct {
	Verdict Verdict
	// Reasons are why the verdict is not met, in words, worst first.
	Reasons []string
	// Unproven is what stays unproven and does not change the verdict.
	Unproven   []string
	Objectives []Objective
	Attempts   Attempts
	RPO        RPO
	Witnesses  Witnesses
	Capture    Captured
	// Splits are the pairs of servers that both acknowledged as the primary.
	Splits     []Split
	RTO        RTO
	FaultsSeen int
	// Stopped says that judging came to no end: all counts are of what was
	// looked at until then.
	Stopped bool
	// Counts and Samples are by class. Breaks says which classes made the
	// run breached.
	Counts  [Classes]int64
	Samples [Classes][]Finding
	Breaks  [Classes]bool
	// Unattributed counts markers that no account knows, while an account is
	// missing.
	Unattributed int64
	// UnattributedRows counts rows that no account knows, likewise.
	UnattributedRows int64
	// PayloadChecked says that the payload of every surviving row was read and
	// made again.
	PayloadChecked bool
}

// Attempts counts the attempts by what the clients know of them.
type Attempts struct {
	// Acked counts the attempts acked without reserve; under [StrictAcks]
	// those acked with the replication warning as well.
	Acked int64
	// Unreplicated counts the acks with the warning that are not in Acked.
	Unreplicated int64
	// Sent counts every attempt of which a byte may have been written.
	Sent    int64
	Failed  int64
	NotSent int64
	InDoubt InDoubtCount
	// AccountLost counts the reserved seqs without an entry or a marker.
	AccountLost int64
}

// InDoubtCount tells what became of the attempts in doubt.
type InDoubtCount struct {
	Total, Committed, RolledBack, Unresolved int64
}

// RPO is what was lost of what was promised.
type RPO struct {
	Transactions int64
	// Restored counts those of the lost that a salvage brought back: the loss
	// stays one.
	Restored int64
	Ops      Ops
	WAL      WALBytes
	// Span is from the first lost ack to the last ack before the outage,
	// the greatest over the forks.
	Span time.Duration
	// Unreplicated counts lost attempts that were acked with the warning.
	Unreplicated    int64
	UnreplicatedOps Ops
	// First and Last are the lost attempts that were acked first and last.
	First, Last *Finding
}

// WALBytes bounds how far the log of the lost transactions reached past the
// forks. MinKnown and MaxKnown are false where there is nothing to measure
// from, and Why says why.
type WALBytes struct {
	Min, Max           int64
	MinKnown, MaxKnown bool
	Why                string
}

// Exact tells whether both bounds are known and the same.
func (w WALBytes) Exact() bool { return w.MinKnown && w.MaxKnown && w.Min == w.Max }

// Word is what one witness says of an attempt. Its zero value is Silent.
type Word uint8

// The words of a witness.
const (
	Silent Word = iota
	SaysSurvives
	SaysLost
)

// String names the word for people.
func (w Word) String() string {
	switch w {
	case SaysSurvives:
		return "survives"
	case SaysLost:
		return "lost"
	default:
		return "silent"
	}
}

// Witness counts what one witness says of the acked attempts.
type Witness struct {
	// Heard says that it said anything; Why tells why it was silent.
	Heard                  bool
	Why                    string
	Survives, Lost, Silent int64
	// SilentOfLost counts the attempts lost by their rows of which it is
	// silent.
	SilentOfLost int64
}

func (w *Witness) hear(word Word, fate Fate) {
	switch word {
	case SaysSurvives:
		w.Survives++
	case SaysLost:
		w.Lost++
	default:
		w.Silent++
		if fate == Lost || fate == LostWarned {
			w.SilentOfLost++
		}
	}
}

// Witnesses are the three witnesses of section 3 of the design, and on how many
// attempts, acked or not, they contradict each other.
type Witnesses struct {
	Rows, Log, ClientLSN Witness
	Disagreements        int64
}

// Captured counts what the stream showed.
type Captured struct {
	Transactions, Changes, Duplicates int64
	// Lost counts the captured transactions that are not on the survivor.
	Lost int64
	// Before counts the transactions that were committed before the run's
	// first consistent point.
	Before int64
	// Complete says that the stream was followed to an announced end that is
	// on the survivor; Why says why not.
	Complete bool
	Why      string
	Gaps     []GapCount
	// Unexplained counts survivors that were never in the stream and lie in
	// no recorded gap.
	Unexplained int64
}

// GapCount is a recorded gap with the number of surviving transactions that
// fell into it.
type GapCount struct {
	Branch       pg.BranchID
	Timeline     pg.Timeline
	From, To     pg.LSN
	Reason       string
	Transactions int64
}

// RTO is for how long nobody, or a worker, could write.
type RTO struct {
	Outages []Outage
	// Global is the longest time without any ack, WorkerMax the longest of
	// any one worker.
	Global, WorkerMax time.Duration
	// Worst is the worst outage, by worker.
	Worst  WorstOutage
	Errors Errors
	Stalls []StallSpan
}

// WorstOutage tells how long the workers were without an ack around the worst
// outage, or at their own worst where there was no outage.
type WorstOutage struct {
	Global, P50, P90, P99, Max time.Duration
}

// StallSpan is a stretch in which a driver itself did not run as it should.
type StallSpan struct {
	From, To time.Time
	Cause    string
}
