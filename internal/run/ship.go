package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/writer"
)

// shipping is the moving of one journal to the repo, in a goroutine of its own.
type shipping struct {
	done   chan error
	cancel context.CancelCauseFunc
}

var errShipLate = errors.New("the repo did not take it in time")

// wait waits until all is shipped, at most for patience.
func (s *shipping) wait(patience time.Duration) error {
	timer := time.AfterFunc(patience, func() { s.cancel(errShipLate) })
	defer timer.Stop()
	err := <-s.done
	s.cancel(nil)
	return err
}

// ship moves the journal to the repo while it is written. Workers that wait for
// receipts are told of each entry that is durable there, and are not kept
// waiting for a block to fill.
//
// A repo that is away is waited for. What no waiting mends is logged when it
// comes; then endLoad is called if workers wait for receipts, as none will ever
// come, and else the load goes on with what the journal keeps.
func (t *trial) ship(ctx context.Context, j *journal.Journal, receipts *writer.Receipts, endLoad func()) *shipping {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &shipping{done: make(chan error, 1), cancel: cancel}
	shipment := repo.Shipment{Header: j.Header(), Source: j.Follow, Log: t.log}
	if receipts != nil {
		shipment.Stored, shipment.Part, shipment.Every = receipts.Stored, time.Millisecond, time.Millisecond
	}
	go func() {
		err := t.repo.Ship(ctx, shipment)
		switch {
		case err == nil:
		case receipts != nil:
			t.log.Error("the ledger goes to the repo no further, and the workers wait for that: the load ends", "error", err)
			endLoad()
		default:
			t.log.Error("the ledger goes to the repo no further: the journal keeps the rest", "error", err)
		}
		s.done <- err
	}()
	return s
}

// shipWritten moves a journal that nobody writes any more to the repo. Damage in
// it is told as problems; what is whole is shipped all the same. The journal of
// another run is refused.
func shipWritten(ctx context.Context, r *repo.Repo, run txn.Run, path string) (problems []string, err error) {
	reader, err := journal.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	header, ok := reader.Header()
	if !ok {
		return []string{fmt.Sprintf("journal %s has no readable header", path)}, nil
	}
	if header.Run != run {
		return nil, trouble.Refuse("journal %s is of run %s: take it out of this run's directory", path, RunName(header.Run))
	}
	for _, hole := range reader.Holes() {
		problems = append(problems, fmt.Sprintf("journal %s is damaged: %v", path, hole))
	}
	return problems, r.Ship(ctx, repo.Shipment{Header: header, Source: repo.Written(reader)})
}
