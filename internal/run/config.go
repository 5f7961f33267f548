// Package run carries out the stages of one run: it prepares primary and repo,
// starts capture, loads the primary through the fault, and then gathers what is
// needed to judge. It returns evidence and judges nothing.
//
// Data flows one way. The writers put entries into the journal; the shipper
// moves them to the repo; capture stores the stream there. When the load has
// ended, the nodes are visited, the survivor is chosen by a pure function of
// compare, attempts in doubt are settled on it, and one end transaction shows
// that the service writes and how far capture has come. A later process does
// that last part for a run whose own process died; see [Finish].
package run

import (
	"context"
	"log/slog"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/live"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
)

// Leftovers says what becomes of slot and publication at the end.
type Leftovers int

const (
	// DropLeftovers drops them on every node.
	DropLeftovers Leftovers = iota
	// KeepLeftovers leaves them.
	KeepLeftovers
)

// RepoMode says whether the load waits for the repo.
type RepoMode int

const (
	// AsyncRepo lets the journal wait on disk while the repo is slow or away.
	AsyncRepo RepoMode = iota
	// SyncRepo makes a worker wait until its entry is durable on the repo.
	SyncRepo
)

// Config says what a run does.
type Config struct {
	// Primary is the endpoint of the service, with one host or several.
	Primary node.Target
	// Standbys are more nodes to ask when judging.
	Standbys []node.Target
	// Repo is the DSN of the repo; empty means an embedded one.
	Repo string
	// RunDir holds the directory of each run. BinDir holds the programs of
	// the embedded repo; empty means that they are looked for.
	RunDir, BinDir string

	Mix     plan.Mix
	Seed    uint64
	Workers int
	// Rate is the transactions a second of all workers; 0 is a closed loop.
	Rate float64

	// Warmup is the load before the fault, Duration the whole load.
	Warmup, Duration time.Duration
	// Grace is how long, past its time, the load goes on for a fault that is
	// still being caused or a service that is not back yet; 0 is a minute.
	Grace time.Duration
	// Fault causes the fault and returns when it is done; nil means that it
	// comes from outside.
	Fault func(context.Context) error

	ConnectTimeout, StatementTimeout, CaptureTimeout time.Duration
	Leftovers                                        Leftovers
	RepoMode                                         RepoMode
	// ValidationDelay lies between the end of the load and the judgement.
	ValidationDelay time.Duration
	// MaxSlotRetained is how many bytes of WAL the slot may hold back on the
	// primary before it is dropped; 0 is no limit.
	MaxSlotRetained int64
	// Asked is what the run is to be judged by, for the record: a later process
	// judges by the same.
	Asked compare.Case
	// Version is pgrpo's own, for the record.
	Version string

	Log *slog.Logger
	// Screen takes the progress bar; nil means that progress is logged.
	Screen *live.Screen
}
