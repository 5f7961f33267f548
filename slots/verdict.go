// Package slots says what became of a replication slot across a failover.
package slots

import (
	"fmt"
	"slices"
)

// Verdict is what became of one slot. Its zero value is not_checked, which
// promises nothing.
type Verdict uint8

// The verdicts, by the precedence with which they outweigh each other, the
// least first.
const (
	// NotChecked means that nothing was proven.
	NotChecked Verdict = iota
	// Survived means that the consumer goes on without a gap.
	Survived
	// SurvivedRewound means the same, and that transactions come again.
	SurvivedRewound
	// Ahead means that the consumer saw what the survivor never had.
	Ahead
	// GapSkipped means that the stream began past what the consumer had.
	GapSkipped
	// GapRecreated means that the slot was made again at a later position.
	GapRecreated
	// GapPoisoned means that the slot is confirmed past the end of the WAL.
	GapPoisoned
	// LostTemporary means that the slot was temporary and ended with its
	// session.
	LostTemporary
	// LostInvalidated means that the server gave the slot up.
	LostInvalidated
	// LostMissing means that there is no slot of that name.
	LostMissing
)

// String names the verdict as the report does.
func (v Verdict) String() string {
	names := [...]string{
		"not_checked", "survived", "survived_rewound", "ahead", "gap_skipped", "gap_recreated", "gap_poisoned",
		"lost_temporary", "lost_invalidated", "lost_missing",
	}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Weigh gives the verdict that outweighs the others, and the others without
// repetition, the weightiest first. Of nothing it makes not_checked.
func Weigh(all ...Verdict) (first Verdict, also []Verdict) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Verdict) int { return int(b) - int(a) })
	sorted = slices.Compact(sorted)
	if len(sorted) == 0 {
		return NotChecked, nil
	}
	return sorted[0], sorted[1:]
}
