package run

import (
	"context"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Account is the run's account as it was before the nodes were asked. What comes
// to the repo later is not judged: it may have been acknowledged after the look
// at the survivor, where it is absent without being lost.
type Account struct {
	Drivers  []repo.DriverRow
	Reserves []txn.Reserve
	// Upto is the last seq with an entry, by worker, before the first hole: of
	// what follows a hole the plan is not known.
	Upto map[txn.Worker]txn.Seq
	// Holes tell, in words, of the workers whose ledger has one.
	Holes []string
}

// survey is what has to be known of the ledger before the nodes are asked.
type survey struct {
	account Account
	// inDoubt lists the attempts whose fate the client does not know.
	inDoubt []txn.ID
	// greatest are the acks with the greatest LSN, by server process.
	greatest lastAck
	// told is what the attempts of each connection were told.
	told map[connKey]pg.Told
	// last is the connection of the ack that was sent last; sent tells when,
	// zero if nothing was acked.
	last txn.Connection
	sent time.Time
}

// connKey names a connection of the run.
type connKey struct {
	driver txn.Driver
	conn   txn.Conn
}

// surveyLedger walks the ledger of the run once.
func surveyLedger(ctx context.Context, r *repo.Repo, run txn.Run) (survey, error) {
	s := survey{greatest: lastAck{}, told: map[connKey]pg.Told{}, account: Account{Upto: map[txn.Worker]txn.Seq{}}}
	contacts, err := r.Contacts(ctx, run)
	if err != nil {
		return s, err
	}
	connections := make(map[connKey]txn.Connection, len(contacts))
	for _, c := range contacts {
		connections[connKey{txn.Driver(c.Observer), c.Conn()}] = c
	}
	// The drivers come before their entries: of one that is closed all
	// entries are there by then.
	if s.account.Drivers, err = r.Drivers(ctx, run); err != nil {
		return s, err
	}
	started := make(map[txn.Driver]time.Time, len(s.account.Drivers))
	for _, d := range s.account.Drivers {
		started[d.Driver] = d.Started
	}
	if s.account.Reserves, err = r.Reserves(ctx, run); err != nil {
		return s, err
	}
	for _, worker := range s.account.Reserves {
		whole := true
		for block, err := range r.Entries(ctx, run, worker.Worker) {
			if err != nil {
				return s, err
			}
			if last := s.account.Upto[worker.Worker]; whole && block.First != last+1 {
				whole = false
				s.account.Holes = append(s.account.Holes, fmt.Sprintf("the account of worker %d has a hole after seq %d: what follows in it is not judged", worker.Worker, last))
			}
			for i := 0; i*txn.EntryBytes < len(block.Raw); i++ {
				var e txn.Entry
				if err := e.Decode(block.Raw[i*txn.EntryBytes:]); err != nil {
					return s, fmt.Errorf("read ledger of worker %d: %w", worker.Worker, err)
				}
				id := txn.ID{Run: run, Worker: worker.Worker, Seq: block.First + txn.Seq(i)}
				if whole {
					s.account.Upto[worker.Worker] = id.Seq
				}
				s.take(id, e, connections[connKey{worker.Driver, e.Conn}], started[worker.Driver].Add(e.Sent))
			}
		}
	}
	return s, nil
}

func (s *survey) take(id txn.ID, e txn.Entry, on txn.Connection, sent time.Time) {
	key := connKey{txn.Driver(on.Observer), on.Conn()}
	told := s.told[key]
	told.Attempt(e.LSN, sent.UnixNano())
	switch {
	case e.Outcome == txn.InDoubt:
		s.inDoubt = append(s.inDoubt, id)
	case e.Outcome.IsAck():
		told.Ack(e.LSN, sent.Add(e.Took).UnixNano())
		s.greatest.take(id, e.LSN, on, sent)
		if sent.After(s.sent) {
			s.last, s.sent = on, sent
		}
	}
	if e.Conn != 0 {
		s.told[key] = told
	}
}
