package journal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// reserveSeqs is the number of seqs that one reservation adds.
const reserveSeqs = 1024

// stallAfter is how long a worker may wait for its reservation before the wait
// is kept as a stall of the driver.
const stallAfter = 10 * time.Millisecond

// Account is the journal's account of one worker. It belongs to the worker's
// goroutine: Next, then Put of that seq, then Next again.
//
// Memory and disk are bounded by the reservations: the round that makes a
// reservation durable also writes the entries put so far, so at most one and a
// half reservations of entries wait, and a worker whose disk hangs waits in Next.
type Account struct {
	journal *Journal
	worker  txn.Worker

	mu sync.Mutex
	// taken is the last seq that Next gave, put the last one with an entry.
	taken, put txn.Seq
	// Seqs up to granted are durably reserved; wanted is asked for.
	granted, wanted txn.Seq
	// buf holds the entries up to put that no round has taken, writing those
	// of the round under way; the two change places.
	buf, writing []byte
	// sealed is set before the closed record is made: no entry may follow.
	sealed bool
	// Of the round under way, and touched by the writing goroutine alone: the
	// seq of the first entry in writing, and what is reserved, 0 if nothing.
	first, reserving txn.Seq
}

// Account gives the account of a worker, empty when it is first asked for.
func (j *Journal) Account(w txn.Worker) *Account {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.accounts {
		if a.worker == w {
			return a
		}
	}
	a := &Account{journal: j, worker: w}
	j.accounts = append(j.accounts, a)
	return a
}

// Next takes the next seq: 1, 2, 3 and so on. It waits only while the seq is not
// durably reserved, which after the first is as long as the disk does not keep
// up. On any error no seq was taken; after a failure of the journal, or Close,
// there is always one, and nothing more may be sent.
func (a *Account) Next(ctx context.Context) (txn.Seq, error) {
	if seq, err := a.take(ctx); seq != 0 || err != nil {
		return seq, err
	}
	from := a.journal.Now()
	for {
		if err := a.journal.Sync(ctx); err != nil {
			return 0, err
		}
		seq, err := a.take(ctx)
		if seq == 0 && err == nil {
			continue
		}
		if to := a.journal.Now(); to-from > stallAfter {
			a.journal.Stall(txn.Stall{From: from, To: to, Cause: "journal"})
		}
		return seq, err
	}
}

// take takes a reserved seq; 0 where none is left.
func (a *Account) take(ctx context.Context) (txn.Seq, error) {
	if a.journal.stopped.Load() {
		return 0, a.journal.refusal()
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("reserve seq of worker %d: %w", a.worker, context.Cause(ctx))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// The next block is asked for when half of this one is left, so that it is
	// durable before it is needed.
	if a.wanted == a.granted && a.granted-a.taken <= reserveSeqs/2 {
		a.wanted = a.granted + reserveSeqs
	}
	if a.taken == a.granted {
		return 0, nil
	}
	a.taken++
	return a.taken, nil
}

// Put keeps the entry of a seq that Next gave. It never waits; the entry is
// durable some 20 ms later, or when [Journal.Sync] returns. An entry out of turn,
// after Close or of no known outcome fails the journal: a history that cannot be is never
// written.
func (a *Account) Put(seq txn.Seq, e txn.Entry) {
	a.mu.Lock()
	if seq != a.put+1 || seq > a.taken || e.Outcome > txn.Failed || a.sealed {
		put, taken := a.put, a.taken
		a.mu.Unlock()
		a.journal.fail(fmt.Errorf("write journal %s: entry of worker %d seq %d (%v) does not follow %d entries of %d seqs taken",
			a.journal.path, a.worker, seq, e.Outcome, put, taken))
		return
	}
	a.buf = e.Append(a.buf)
	a.put = seq
	a.mu.Unlock()
}

// seal lets no entry be put any more.
func (a *Account) seal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealed = true
}

// gather hands the entries put so far, and what shall be reserved, to a round.
// It returns the last seq taken.
func (a *Account) gather() txn.Seq {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf, a.writing = a.writing[:0], a.buf
	a.first = a.put + 1 - txn.Seq(len(a.writing)/txn.EntryBytes)
	if a.wanted > a.granted {
		a.reserving = a.wanted
	}
	return a.taken
}

// grant tells the worker that the round is durable.
func (a *Account) grant() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reserving != 0 {
		a.granted, a.reserving = a.reserving, 0
	}
}
