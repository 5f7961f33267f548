package repo

import (
	"context"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Mismatch is a transaction that came again at a position where another one is
// stored, or none.
type Mismatch struct {
	Came txn.Commit
	// Stored is what the repo has of that attempt at that position; nil if
	// it has nothing.
	Stored *txn.Commit
}

// String says in what the two differ.
func (m Mismatch) String() string {
	if m.Stored == nil {
		return fmt.Sprintf("%v came again at %v, where it is not stored", m.Came.ID, m.Came.LSN)
	}
	return fmt.Sprintf("%v at %v came again with another content: stored xid %d, %d changes, checksum %d, end %v; came xid %d, %d changes, checksum %d, end %v",
		m.Came.ID, m.Came.LSN, m.Stored.Xid, m.Stored.Seen, m.Stored.SeenSum, m.Stored.End, m.Came.Xid, m.Came.Seen, m.Came.SeenSum, m.Came.End)
}

// storedAt is where one commit is stored.
type storedAt struct {
	txn.ID
	branch pg.BranchID
	lsn    pg.LSN
}

func storedAtOf(c *txn.Commit) storedAt { return storedAt{c.ID, c.Branch, c.LSN} }

// Mismatched compares commits that the stream delivered again with what is
// stored of them, and returns those that differ in anything but the time of the
// commit.
func (s *Stream) Mismatched(ctx context.Context, resent []txn.Commit) ([]Mismatch, error) {
	if len(resent) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	workers, seqs := make([]int32, len(resent)), make([]int64, len(resent))
	for i := range resent {
		workers[i], seqs[i] = int32(resent[i].Worker), int64(resent[i].Seq)
	}
	stored := make(map[storedAt]txn.Commit, len(resent))
	for c, err := range stream(ctx, s.repo, fmt.Sprintf("compare what slot %s sent again", s.slot), decodeCommit,
		selectCommit+" where run = $1 and slot = $2 and (worker, seq) in (select * from unnest($3::int[], $4::bigint[]))",
		s.run, s.number, workers, seqs) {
		if err != nil {
			return nil, err
		}
		stored[storedAtOf(&c)] = c
	}
	var found []Mismatch
	for _, c := range resent {
		was, known := stored[storedAtOf(&c)]
		if !known {
			found = append(found, Mismatch{Came: c})
			continue
		}
		if sameContent(was, c) {
			continue
		}
		found = append(found, Mismatch{Came: c, Stored: &was})
	}
	return found, nil
}

// sameContent compares two commits but for their time, which has another
// precision in Go.
func sameContent(a, b txn.Commit) bool {
	a.CommittedAt = b.CommittedAt
	return a == b
}
