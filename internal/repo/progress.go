package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var (
	// ErrFenced says that another process has loaded the stream since: this
	// one must store nothing more.
	ErrFenced = errors.New("another capture has taken over the stream")
	// ErrNotLoaded says that the stream was not loaded, or that a store
	// failed since: what is durable must be read again first.
	ErrNotLoaded = errors.New("the stream must be loaded first")
	// ErrRewound says that the repo has less than it was seen to have.
	ErrRewound = errors.New("the repo has lost what it had")
)

// Part names a transaction of which the repo has only parts.
type Part struct {
	Worker txn.Worker
	Seq    txn.Seq
	// LSN is the start of its commit record.
	LSN pg.LSN
}

// Progress is how far the captured stream of one slot is durable.
type Progress struct {
	Slot   string
	Branch pg.BranchID
	// End is the end of the last commit that is stored whole.
	End pg.LSN
	// FollowedTo is the position up to which the server has said that
	// nothing more came.
	FollowedTo pg.LSN
	// Start is the first consistent point of the run's slot: commits that
	// start below it were before the capture.
	Start pg.LSN
	// OpenTxn is the transaction that is stored in part, nil if none.
	OpenTxn *Part
	// Duplicates counts the commits that came again and were dropped,
	// BeforeCapture those that were before Start.
	Duplicates, BeforeCapture int64
	// Mismatches counts those of the duplicates whose content was not the
	// stored one's.
	Mismatches int64
	// Ended is the number of the last sentinel that came whole, 0 for none,
	// and EndedAt the end of its commit.
	Ended   int32
	EndedAt pg.LSN
}

// guard makes a statement that stores the progress and fails with 22012 unless
// the stream's epoch is still the one that was loaded and this is the save that
// follows the last one.
func (p Progress) guard(s *Stream) string {
	open := "open_worker = null, open_seq = null, open_lsn = null"
	if o := p.OpenTxn; o != nil {
		open = fmt.Sprintf("open_worker = %d, open_seq = %d, open_lsn = '%v'", o.Worker, o.Seq, o.LSN)
	}
	return fmt.Sprintf(`with held as (update pgrpo.progress set branch = %d, end_lsn = '%v', followed_to = '%v', start_lsn = '%v',
		%s, duplicates = %d, before_capture = %d, mismatches = %d, ended = %d, ended_lsn = '%v', saves = %d
		where run = %d and number = %d and epoch = %d and saves = %d returning 1) select 1 / count(*) from held;`,
		p.Branch, p.End, p.FollowedTo, p.Start, open, p.Duplicates, p.BeforeCapture, p.Mismatches, p.Ended, p.EndedAt, s.tried,
		s.run, s.number, s.epoch, s.saves)
}

const selectProgress = `
	select slot, branch, end_lsn, followed_to, start_lsn, open_worker, open_seq, open_lsn,
		duplicates, before_capture, mismatches, ended, ended_lsn
	from pgrpo.progress`

func scanProgress(row pgx.CollectableRow) (p Progress, err error) {
	var worker *txn.Worker
	var seq *txn.Seq
	var at *lsn
	err = row.Scan(&p.Slot, &p.Branch, (*lsn)(&p.End), (*lsn)(&p.FollowedTo), (*lsn)(&p.Start), &worker, &seq, &at,
		&p.Duplicates, &p.BeforeCapture, &p.Mismatches, &p.Ended, (*lsn)(&p.EndedAt))
	if worker != nil {
		p.OpenTxn = &Part{Worker: *worker, Seq: orNone(seq), LSN: pg.LSN(orNone(at))}
	}
	return p, err
}

// Progresses returns the progress of all streams of the run, by slot.
func (r *Repo) Progresses(ctx context.Context, run txn.Run) ([]Progress, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := r.pool.Query(ctx, selectProgress+" where run = $1 order by slot", run)
	found, err := collect(rows, err, scanProgress)
	if err != nil {
		return nil, r.failed(fmt.Sprintf("read progress of run %d", run), err)
	}
	return found, nil
}
