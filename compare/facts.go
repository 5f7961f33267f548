package compare

import (
	"iter"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Expect is whether the run was meant to have a fault.
type Expect uint8

// The expectations. By default a run without a fault proves nothing.
const (
	ExpectFault Expect = iota
	ExpectNone
)

// AckRule says which acks are promises.
type AckRule uint8

// The rules of acks.
const (
	// PlainAcks counts acks with the replication warning apart.
	PlainAcks AckRule = iota
	// StrictAcks counts them as promises like any other.
	StrictAcks
)

// Case is what is asked of a run.
type Case struct {
	Run    txn.Run
	Seed   uint64
	Mix    plan.Mix
	Limits Limits
	Expect Expect
	Acks   AckRule
	// OutageThreshold is how long there must be no ack for an outage; 0
	// stands for DefaultOutageThreshold.
	OutageThreshold time.Duration
	// Payload says how far the content of the rows is read.
	Payload Payload
	// SegmentBytes is the size of a WAL segment; 0 unknown, and then lost
	// attempts are shown without the name of a segment.
	SegmentBytes uint64
}

// DefaultOutageThreshold is the threshold of an outage where none is set.
const DefaultOutageThreshold = time.Second

// Limits are the greatest values that are still met. A nil limit was not asked
// for; what it would have said is measured all the same. A nil Transactions
// stands for 0: that no acked transaction is lost is always asked, and so is
// integrity.
type Limits struct {
	Transactions, Rows, PayloadBytes, WALBytes *int64
	// Span bounds RPO.Span, the two others how long nobody, and any one
	// worker, could write.
	Span, RTOGlobal, RTOWorkerMax *time.Duration
	// CDC bounds the findings that break the stream's promise, Diverged the
	// transactions that consumers saw and the survivor does not have.
	CDC, Diverged *int64
}

// Driver is what is known of one process of the run.
type Driver struct {
	ID txn.Driver
	// Started is the wall-clock time of the zero of its monotonic clock.
	Started time.Time
	// Clock is how that clock stands to the repo's. The times of two drivers
	// are set in order only beyond the errors of both.
	Clock txn.ClockBound
	// Closed says that its journal has the closed record.
	Closed      bool
	Connections []txn.Connection
	Probes      []txn.Probe
	Stalls      []txn.Stall
	// Damage tells, in words, what could not be read of its journal.
	Damage []string
}

// Survivor is the node that is judged. Where it is not Proven, the rows are
// not heard at all, and Why says what is missing.
type Survivor struct {
	Branch pg.BranchID
	// Start is the server process that answered for it, 0 where that is not
	// known.
	Start  pg.ProcessStart
	Name   string
	Proven bool
	Why    string
	// TablesAbsent says that pgrpo's own tables are not there: no marker is.
	TablesAbsent bool
}

// CaptureFacts is what is known of the stream beside its commits.
type CaptureFacts struct {
	// Heard says that there was a stream; Why says what kept it from being
	// heard, or from its end.
	Heard bool
	Why   string
	// Complete says that the stream was followed to an announced end.
	Complete   bool
	Duplicates int64
	Gaps       []txn.Gap
	// Start is the run's first consistent point; what ends at or below it
	// was committed before capture. Followed is how far the stream was
	// followed.
	Start, Followed pg.Position
}

// SlotFate is what became of the run's slot, as far as a promise of the stream
// depends on it. Its zero value says that nothing is proven.
type SlotFate uint8

// The fates of a slot.
const (
	SlotUnproven SlotFate = iota
	// SlotKept means that the stream went on from the slot that the run began
	// with, and would go on from it.
	SlotKept
	// SlotBroken means that the slot was lost, or left a gap.
	SlotBroken
)

// SlotFacts is what became of the run's slot; Why says why nothing is proven, or
// what broke, in words.
type SlotFacts struct {
	Fate SlotFate
	Why  string
}

// Facts is all evidence that is small.
type Facts struct {
	Drivers  []Driver
	Reserves []txn.Reserve
	Branches pg.Branches
	// BranchOf is the branch of a driver's connection, 0 where unknown. Nil
	// knows none.
	BranchOf func(txn.Driver, txn.Conn) pg.BranchID
	Survivor Survivor
	// Unresolved are the in-doubt attempts that could not be settled, with
	// the reason.
	Unresolved map[txn.ID]string
	// Sentinels are the announced end transactions, SentinelKept the numbers
	// of those that are on the survivor.
	Sentinels    []txn.Sentinel
	SentinelKept []int32
	Capture      CaptureFacts
	Slot         SlotFacts
	// Poolers are the addresses at which a pooler stood between the run and a
	// server.
	Poolers []string
	// Workers are all workers that the run is known to have had: each must have
	// an account. Nil knows of none but those of the accounts.
	Workers []txn.Worker
	// Restored are the attempts that a salvage brought back: they are on the
	// survivor, and were not when it was applied. What it names can only add to
	// what was lost.
	Restored []txn.ID
	// Problems are what went wrong while the evidence was gathered, in
	// words. Any of them keeps the run from being proven.
	Problems []string
	// MarkerWorkers and CommitWorkers are all workers with markers of this
	// run on the survivor, and with commits in the stream.
	MarkerWorkers, CommitWorkers []txn.Worker
	// TableWorkers are all workers whose table is on the survivor. A table that
	// is not has no row. Nil says that nobody asked: then no row is compared, and
	// the run is not proven.
	TableWorkers []txn.Worker
}

// Streams is the evidence that is large, by worker. Each stream can be read
// more than once; an error ends it and makes the verdict inconclusive.
type Streams interface {
	// Entries gives the worker's ledger from seq 1 on, without a gap.
	Entries(txn.Worker) iter.Seq2[txn.Entry, error]
	// Markers gives the worker's markers on the survivor by ascending seq.
	Markers(txn.Worker) iter.Seq2[txn.Marker, error]
	// Commits gives the worker's captured commits by ascending (seq, lsn).
	Commits(txn.Worker) iter.Seq2[txn.Commit, error]
	// Buckets sums the worker's surviving rows, by ascending number.
	Buckets(txn.Worker) ([]txn.Bucket, error)
	// Rows gives the worker's surviving rows with ids from first to last, both
	// included, by ascending id.
	Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error]
	// Contents gives them with their payload, which is valid until the next.
	Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error]
}
