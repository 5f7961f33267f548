package compare

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// sight is all that is known of one attempt.
type sight struct {
	id      txn.ID
	account Account
	entry   txn.Entry // zero where there is none
	ackedAt time.Time
	// sharedAt is ackedAt by the clock that all drivers are set against.
	sharedAt time.Time
	branch   pg.BranchID
	// min and max bound the commit record by what the client was told; 0
	// unknown.
	min, max pg.LSN
	marker   pg.Presence
	found    txn.Marker   // the marker, where it is present
	heard    []txn.Commit // all that came, by LSN
	commits  []txn.Commit // distinct positions, by LSN
	ops      Ops
	log      Word
	// restored says that it was lost, and that a salvage brought it back.
	restored bool
}

func (s *sight) isAck() bool { return s.account == Acked || s.account == AckedUnreplicated }

// walk is the walk over one worker's ledger, markers and commits by seq. It
// keeps one attempt, and those lost so far on the connection under way.
type walk struct {
	*judge
	worker  txn.Worker
	book    book
	markers *cursor[txn.Marker] // nil: not looked at
	commits *cursor[txn.Commit]
	sight   sight
	// heard and places are where the sight keeps its commits.
	heard, places []txn.Commit
	// conn, branch, start and lower are of the connection under way: lower is
	// the last LSN that it was told.
	conn   txn.Conn
	branch pg.BranchID
	start  pg.ProcessStart
	lower  pg.LSN
	// rivals are the servers that took over from the connection's.
	rivals rivals
	// lost are the lost attempts of the connection that are no hole yet.
	lost []Finding
	// rows and tally are what the walk over the rows is to know; tally is nil
	// where there are none to compare.
	rows    rowBook
	tally   *tally
	ordered []ackedCommit // one for each branch
}

// walkWorker judges every attempt of a worker.
func (j *judge) walkWorker(s Streams, b book) error {
	w := &walk{judge: j, worker: b.worker, book: b, rows: rowBook{book: b}}
	w.commits = commitCursor(j.c.Run, b.worker, s.Commits(b.worker))
	defer w.commits.stop()
	if err := w.commits.advance(); err != nil {
		return err
	}
	if j.facts.Survivor.Proven && !j.facts.Survivor.TablesAbsent {
		if b.known && j.rowsComparable() {
			tally, err := j.tallyOf(s, b.worker)
			if err != nil {
				return err
			}
			w.tally = tally
		}
		w.markers = markerCursor(j.c.Run, b.worker, s.Markers(b.worker))
		defer w.markers.stop()
		if err := w.markers.advance(); err != nil {
			return err
		}
	}
	if err := w.strays(1); err != nil {
		return err
	}
	replay := plan.NewReplay(j.c.Mix, j.c.Seed, j.c.Run, b.worker)
	if b.known {
		if err := w.ledger(s, replay); err != nil {
			return err
		}
	}
	if err := w.strays(1<<63 - 1); err != nil || w.tally == nil {
		return err
	}
	w.rows.end(replay)
	j.settle(w.tally, replay, b.worker)
	w.markers.stop() // the survivor is read one stream at a time
	return j.compareRows(s, &w.rows, w.tally)
}

// ledger walks the entries, with the plan replayed beside them.
func (w *walk) ledger(s Streams, replay *plan.Replay) error {
	seq := txn.Seq(0)
	for e, err := range s.Entries(w.worker) {
		if err != nil {
			return fmt.Errorf("read the ledger of worker %d: %w", w.worker, err)
		}
		seq++
		w.rows.ended = seq
		if err := w.entry(replay.Next(), e); err != nil {
			return err
		}
		replay.Settle(e, w.sight.marker)
		w.settle(w.tally, replay, w.worker)
	}
	// Past the last entry the plan cannot go on: nothing there was ever
	// known to be acked.
	if unheard := w.book.last - seq; unheard > 0 {
		return w.tail(seq, unheard)
	}
	return nil
}

// entry judges an attempt that the ledger knows.
func (w *walk) entry(a txn.Attempt, e txn.Entry) error {
	s := &w.sight
	*s = sight{id: a.ID, account: Account(e.Outcome), entry: e, min: e.LSN}
	var start pg.ProcessStart
	if e.Conn != 0 {
		w.reach(e)
		s.branch, s.min, start = w.branch, w.lower, w.start
	}
	if s.isAck() {
		s.ackedAt, s.sharedAt = w.book.zero.Add(e.End()), w.book.shared.Add(e.End())
		s.max = w.bounds.after(lineKey{w.book.driver, s.branch, start}, e.End())
	}
	for _, op := range a.Ops {
		switch op.Kind {
		case txn.Insert:
			s.ops.Inserts++
		case txn.Update:
			s.ops.Updates++
		case txn.Delete:
			s.ops.Deletes++
		}
	}
	s.ops.PayloadBytes = (s.ops.Inserts + s.ops.Updates) * int64(w.c.Mix.PayloadBytes)
	promisedOps, err := w.take(a.Seq)
	if err != nil {
		return err
	}
	if s.marker == pg.Present && int(promisedOps) != len(a.Ops) {
		w.misfits++
	}
	w.restores()
	if err := w.judgeAttempt(); err != nil {
		return err
	}
	return w.byMarker(a)
}

// reach goes on to the connection of an entry. One that is known to be of none
// leaves the connection under way as it is.
func (w *walk) reach(e txn.Entry) {
	if e.Conn != w.conn {
		w.conn, w.branch, w.lower = e.Conn, w.branchOf(w.book.driver, e.Conn), 0
		w.start = w.startOf(w.book.driver, e.Conn)
		w.rivals = w.contests[lineKey{w.book.driver, w.branch, w.start}]
		w.lost = w.lost[:0]
	}
	if e.LSN != 0 {
		w.lower = e.LSN
	}
}

// tail judges the seqs that were reserved and have no entry.
func (w *walk) tail(after txn.Seq, unheard txn.Seq) error {
	w.lost = w.lost[:0]
	w.res.Attempts.AccountLost += int64(unheard)
	for {
		seq, ok := w.nextSeq()
		if !ok || seq > after+unheard {
			return nil
		}
		w.sight = sight{id: txn.ID{Run: w.c.Run, Worker: w.worker, Seq: seq}, account: NoEntry}
		if _, err := w.take(seq); err != nil {
			return err
		}
		if w.sight.marker == pg.Present {
			w.res.Attempts.AccountLost--
		}
		if err := w.judgeAttempt(); err != nil {
			return err
		}
	}
}

// strays judges what is there of seqs below the given one that no account
// knows.
func (w *walk) strays(below txn.Seq) error {
	for {
		seq, ok := w.nextSeq()
		if !ok || seq >= below {
			return nil
		}
		w.sight = sight{id: txn.ID{Run: w.c.Run, Worker: w.worker, Seq: seq}, account: NeverSent}
		if _, err := w.take(seq); err != nil {
			return err
		}
		if err := w.judgeAttempt(); err != nil {
			return err
		}
	}
}

// nextSeq is the least seq that markers or commits show next.
func (w *walk) nextSeq() (txn.Seq, bool) {
	marked := w.markers != nil && w.markers.ok
	switch {
	case marked && w.commits.ok:
		return min(w.markers.seq(), w.commits.seq()), true
	case marked:
		return w.markers.seq(), true
	case w.commits.ok:
		return w.commits.seq(), true
	default:
		return 0, false
	}
}

// take moves marker and commits of a seq into the sight, and returns how many
// operations the marker promises.
func (w *walk) take(seq txn.Seq) (ops int32, err error) {
	s := &w.sight
	switch {
	case w.markers != nil && w.markers.ok && w.markers.seq() == seq:
		s.marker, s.found, ops = pg.Present, w.markers.head, w.markers.head.Ops
		if err := w.markers.advance(); err != nil {
			return 0, err
		}
	case !w.facts.Survivor.Proven:
	default:
		s.marker = pg.Absent
		if _, open := w.facts.Unresolved[s.id]; open {
			s.marker = pg.NotLooked
		}
	}
	w.rows.note(s)
	w.heard, w.places = w.heard[:0], w.places[:0]
	for w.commits.ok && w.commits.seq() == seq {
		w.deliver(&w.commits.head)
		if err := w.commits.advance(); err != nil {
			return 0, err
		}
	}
	s.heard, s.commits = w.heard, w.places
	return ops, nil
}

// deliver takes one commit of the stream. It is counted where its position is
// new, and as a duplicate elsewhere.
func (w *walk) deliver(c *txn.Commit) {
	isNew := w.place(c)
	w.heard = append(w.heard, *c)
	switch {
	case w.worker < 0:
	case isNew:
		w.res.Capture.Transactions++
		w.res.Capture.Changes += int64(c.Seen)
	default:
		w.again++
	}
}

// place keeps the position of a commit, and tells whether it is new. Of one record
// on several branches it keeps one of which is known whether it survives.
func (w *walk) place(c *txn.Commit) bool {
	if slices.ContainsFunc(w.heard, func(h txn.Commit) bool { return h.Branch == c.Branch && h.LSN == c.LSN }) {
		return false
	}
	for i := range w.places {
		if p := &w.places[i]; w.sameRecord(p, c) {
			if _, known := w.survives(pg.Position{Branch: c.Branch, LSN: c.LSN}); known {
				*p = *c
			}
			return false
		}
	}
	w.places = append(w.places, *c)
	return true
}
