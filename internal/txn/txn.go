// Package txn holds pgrpo's own nouns as pure values: the attempt that a
// worker sends, the entry that its driver's ledger keeps of it, the marker and
// the rows that it leaves in the database, and the commit that the logical
// stream shows of it. It also owns their binary form, which is a contract
// between versions: add, never change.
//
// The package does no input or output.
package txn

import "fmt"

// Run numbers one trial: its start in seconds since 1970.
type Run int32

// Worker numbers one worker of a run. A worker lives and dies with its process;
// -1 is the sentinel's.
type Worker int32

// SentinelWorker is the worker number of the end transactions.
const SentinelWorker Worker = -1

// Seq numbers the attempts of a worker from 1. It is never used twice.
type Seq int64

// RowID is the key of a row in its worker's table. Plan ids start at 1;
// negative ids are the sentinels'.
type RowID int64

// ID names an attempt.
type ID struct {
	Run    Run
	Worker Worker
	Seq    Seq
}

// String gives worker and seq, for people.
func (id ID) String() string { return fmt.Sprintf("worker %d seq %d", id.Worker, id.Seq) }

// Kind is what an operation does to its row.
type Kind uint8

// The kinds. There is no zero kind: 0 is an operation that was never planned.
const (
	Insert Kind = 1 + iota
	Update
	Delete
)

// String names the kind as SQL does.
func (k Kind) String() string {
	switch k {
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// Op is one operation of an attempt. Expect is the seq of the version that an
// update or delete must find, 0 for an insert.
type Op struct {
	Kind   Kind
	ID     RowID
	Expect Seq
}

// Attempt is one transaction as a worker sends it. Ops alias the plan's buffer
// and are valid until its next attempt is drawn.
type Attempt struct {
	ID
	Ops []Op
}

// Marker is the row that each transaction leaves in pgrpo.marker. It is the
// transaction: there, it was committed; not there, it was not.
type Marker struct {
	ID
	// Ops is the number of operations, without the marker itself.
	Ops int32
	// Sum is the xor of the checksums of the operations.
	Sum Sum
}

// Row is one row of a worker's table.
type Row struct {
	Run Run
	ID  RowID
	// Seq is the attempt that wrote this version.
	Seq Seq
	Sum Sum
}

// Content is a row with its payload.
type Content struct {
	Row
	Payload []byte
}

// TableOf is the name of a worker's table, without the schema. Numbers past
// 9999 grow in width.
func TableOf(w Worker) string { return fmt.Sprintf("worker_%04d", w) }
