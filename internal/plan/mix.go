// Package plan decides what a worker sends. The plan is pure: attempt n of a
// worker is a function of (mix, seed, worker, the worker's entries 1..n-1), so
// whoever has the ledger has every operation, and none is stored.
//
// It does no input or output and keeps no clock. What it decides is a contract
// between versions: a ledger must give the same operations to the process that
// wrote it and to the one that judges it.
package plan

import "fmt"

// MixedOps is the greatest number of operations of an attempt that may hold
// updates and deletes. A larger attempt only inserts.
const MixedOps = 32

// MostOps is the greatest number of operations of any attempt.
const MostOps = 1_000_000

// MostPayload is the greatest payload of a row, in bytes.
const MostPayload = 1 << 20

// Mix is what kinds of work the workers do.
type Mix struct {
	// Insert, Update and Delete are percentages of the operations; their
	// sum is 100. An update or delete for which the view has no row left
	// becomes an insert.
	Insert, Update, Delete int
	// MaxOps bounds the operations of an attempt, whose number is uniform
	// from 1 to MaxOps. An attempt of more than [MixedOps] only inserts.
	MaxOps int
	// PayloadBytes is the size of each row's payload.
	PayloadBytes int
}

// Validate tells what is wrong with the mix, in words for the one who set it.
func (m Mix) Validate() error {
	switch sum := m.Insert + m.Update + m.Delete; {
	case min(m.Insert, m.Update, m.Delete) < 0 || max(m.Insert, m.Update, m.Delete) > 100:
		return fmt.Errorf("check mix: insert %d, update %d and delete %d must each be from 0 to 100 percent", m.Insert, m.Update, m.Delete)
	case sum != 100:
		return fmt.Errorf("check mix: insert %d, update %d and delete %d are %d percent together, want 100", m.Insert, m.Update, m.Delete, sum)
	case m.MaxOps < 1 || m.MaxOps > MostOps:
		return fmt.Errorf("check mix: %d operations a transaction, want 1 to %d", m.MaxOps, MostOps)
	case m.PayloadBytes < 0 || m.PayloadBytes > MostPayload:
		return fmt.Errorf("check mix: payload of %d bytes, want 0 to %d", m.PayloadBytes, MostPayload)
	}
	return nil
}
