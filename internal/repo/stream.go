package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// storeTime bounds one [Stream.Save].
const storeTime = 60 * time.Second

// Stream stores what one slot of a run delivered. One goroutine uses it at a
// time.
type Stream struct {
	repo   *Repo
	run    txn.Run
	slot   string
	number int16
	epoch  int64 // 0: must be loaded
	// saves is the number of the last save that is known to be durable,
	// tried that of the last one that was sent; unsure says that it is not
	// known whether that one is durable.
	saves, tried int64
	unsure       bool
	buf          []byte
}

// Stream returns the stream of a slot. It must be loaded before it stores.
func (r *Repo) Stream(run txn.Run, slot string) *Stream {
	return &Stream{repo: r, run: run, slot: slot}
}

// Load takes over the stream: no other process can store to it from now on, and
// what they had under way is waited for. It removes the stored parts of a
// transaction that was open, and returns what is durable. A stream that was
// never stored to has a zero progress but for its slot.
func (s *Stream) Load(ctx context.Context) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	s.epoch, s.unsure = 0, false
	var p Progress
	var epoch int64
	err := pgx.BeginFunc(ctx, s.repo.pool, func(tx pgx.Tx) (err error) {
		if err := lockRun(ctx, tx, s.run); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			insert into pgrpo.progress as p (run, slot, number, epoch)
			select $1, $2, coalesce(max(number), 0) + 1, 1 from pgrpo.progress where run = $1
			on conflict (run, slot) do update set epoch = p.epoch + 1
			returning epoch, number, saves`, s.run, s.slot).Scan(&epoch, &s.number, &s.saves)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectProgress+" where run = $1 and slot = $2", s.run, s.slot)
		if err != nil {
			return err
		}
		if p, err = pgx.CollectExactlyOneRow(rows, scanProgress); err != nil {
			return err
		}
		return s.dropParts(ctx, tx, &p)
	})
	if err != nil {
		return Progress{}, s.failed("load", err)
	}
	s.epoch = epoch
	return p, nil
}

// dropParts removes what is stored of the open transaction.
func (s *Stream) dropParts(ctx context.Context, tx pgx.Tx, p *Progress) error {
	if p.OpenTxn == nil {
		return nil
	}
	_, err := tx.Exec(ctx, "delete from pgrpo.change where lsn = $1 and run = $2 and worker = $3 and seq = $4 and slot = $5",
		lsn(p.OpenTxn.LSN), s.run, p.OpenTxn.Worker, p.OpenTxn.Seq, s.number)
	if err != nil {
		return err
	}
	p.OpenTxn = nil
	_, err = tx.Exec(ctx, "update pgrpo.progress set open_worker = null, open_seq = null, open_lsn = null where run = $1 and slot = $2", s.run, s.slot)
	return err
}

// Save stores commits, changes and the progress in one transaction and returns
// once it is durable. It sorts both slices by (worker, seq) in place.
//
// After any error it is unknown whether they are stored: [Stream.Recover] tells,
// and so does loading the stream again. It is an [ErrFenced] where another
// process has loaded the stream since, or where a save of ours took effect that
// was taken for failed.
func (s *Stream) Save(ctx context.Context, commits []txn.Commit, changes []txn.Change, p Progress) error {
	if s.epoch == 0 || s.unsure {
		return s.failed("save", ErrNotLoaded)
	}
	s.unsure, s.tried = true, s.saves+1
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	conn, err := s.repo.pool.Acquire(ctx)
	if err != nil {
		return s.failed("save", err)
	}
	defer conn.Release()
	sql := "begin; set local synchronous_commit = on; " + p.guard(s) + s.raise(commits)
	if len(commits) > 0 {
		slices.SortFunc(commits, compareCommits)
		s.buf = append(s.buf[:0], copyHeader...)
		for i := range commits {
			if b := commits[i].Branch; b < 0 || b > math.MaxInt16 {
				return s.failed("save", fmt.Errorf("branch %d of %v: want 0 to %d", b, commits[i].ID, math.MaxInt16))
			}
			s.buf = appendCommit(s.buf, &commits[i], s.number)
		}
		if err := s.copy(ctx, conn.Conn(), sql+copyCommit+s.tail(len(changes))); err != nil {
			return s.failed("save", err)
		}
		sql = ""
	}
	if len(changes) > 0 {
		slices.SortFunc(changes, compareChanges)
		s.buf = append(s.buf[:0], copyHeader...)
		for i := range changes {
			s.buf = appendChange(s.buf, &changes[i], s.number)
		}
		if err := s.copy(ctx, conn.Conn(), sql+copyChange+s.tail(0)); err != nil {
			return s.failed("save", err)
		}
		sql = ""
	}
	if sql != "" {
		if _, err := conn.Conn().PgConn().Exec(ctx, sql+"commit").ReadAll(); err != nil {
			return s.failed("save", err)
		}
	}
	s.unsure, s.saves = false, s.tried
	return nil
}

// Recover tells whether the last save, which failed, took effect all the same.
// If not, it may be sent again, or another one in its place: of the two at most
// one takes effect, whatever is still on its way. Parts of an open transaction
// stay stored. It is an [ErrFenced] where another process has loaded the stream
// since, and an [ErrRewound] where the repo has lost earlier saves.
func (s *Stream) Recover(ctx context.Context) (stored bool, err error) {
	if s.epoch == 0 {
		return false, s.failed("recover", ErrNotLoaded)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	var epoch, saves int64
	err = s.repo.pool.QueryRow(ctx, "select epoch, saves from pgrpo.progress where run = $1 and number = $2", s.run, s.number).Scan(&epoch, &saves)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && epoch < s.epoch:
		err = ErrRewound
	case err != nil:
	case epoch > s.epoch:
		err = ErrFenced
	case saves < s.tried-1 || saves > s.tried:
		err = ErrRewound
	}
	if err != nil {
		return false, s.failed("recover", err)
	}
	s.unsure, s.saves = false, saves
	return saves == s.tried, nil
}

// tail ends the transaction in the message of its last COPY.
func (s *Stream) tail(left int) string {
	if left > 0 {
		return ""
	}
	return "; commit"
}

// copy sends the buffered rows as one message with the statements before and
// after it.
func (s *Stream) copy(ctx context.Context, conn *pgx.Conn, sql string) error {
	s.buf = append(s.buf, copyTrailer...)
	_, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.buf), sql)
	if err != nil {
		// The library's goroutine may still read what it was given.
		s.buf = nil
	}
	return err
}

// failed says what failed, for which slot. The guard's own error is told from
// all others by its SQLSTATE: nothing else in the transaction divides.
func (s *Stream) failed(what string, err error) error {
	if stateOf(err) == stateDivision {
		err = ErrFenced
	}
	return s.repo.failed(fmt.Sprintf("%s stream of slot %s of run %d", what, s.slot, s.run), err)
}
