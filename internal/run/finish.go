package run

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Evidence is what a run leaves to be judged, beside what is in the repo. Its
// Close must be called.
type Evidence struct {
	Record Record
	Place  Place
	Repo   *repo.Repo
	// Branches are made of all contacts; BranchOf finds that of a driver's
	// connection, 0 where it is unknown.
	Branches pg.Branches
	BranchOf func(txn.Driver, txn.Conn) pg.BranchID
	// Account was read before the visits.
	Account Account
	Visits  []Visit
	// Choice is the survivor among Visits. NoSurvivor says why none is
	// proven; Choice names none then.
	Choice     compare.Choice
	NoSurvivor error
	// earlier is the survivor that was found before, nil if none was.
	earlier *compare.NodeFacts
	// Unresolved are the attempts in doubt that could not be settled.
	Unresolved map[txn.ID]string
	// Capture says whether there was a stream, and what kept it from its
	// end.
	Capture CaptureEnd
	// Slot is how the run's slot was before the load.
	Slot SlotPast
	// Problems are what went wrong after the first attempt was sent: any of
	// them makes the verdict inconclusive at best.
	Problems []string
	close    func(context.Context) error
}

// CaptureEnd is how the stream ended.
type CaptureEnd struct {
	Heard    bool
	Complete bool
	Why      string
}

// Survivor is the visit to the survivor; there is one if NoSurvivor is nil.
func (e *Evidence) Survivor() *Visit { return &e.Visits[e.Choice.Index] }

// Close drops what the run left on the nodes, as far as the configuration says
// so, and closes the repo. What could not be dropped is in the error.
func (e *Evidence) Close(ctx context.Context) error { return e.close(ctx) }

func (e *Evidence) problem(doing string, err error) {
	if err != nil {
		e.Problems = append(e.Problems, doing+": "+err.Error())
	}
}

// Finish gathers the evidence of a run whose own process is gone: it ships
// what is left of its journals, follows the stream to a new end, and asks the
// nodes. It may be called again and again, by one process at a time: a run that
// still goes on, and a record, a repo or a journal of another run, are refused.
func Finish(ctx context.Context, c Config, p Place) (_ *Evidence, err error) {
	t := &trial{config: c.timeouts(), log: c.Log, place: p}
	defer func() {
		if err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("%w: the run is judged no further", context.Cause(ctx))
			}
			err = errors.Join(err, t.close())
		}
	}()
	if t.claim, err = claimPlace(p); err != nil {
		return nil, err
	}
	if t.record, err = ReadRecord(p); err != nil {
		return nil, err
	}
	if t.events, t.log, err = openEvents(p, t.log); err != nil {
		return nil, err
	}
	if err := t.reopenRepo(ctx); err != nil {
		return nil, err
	}
	if err := t.recognize(ctx); err != nil {
		return nil, err
	}
	paths, err := p.Journals()
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, path := range paths {
		shipping, cancel := context.WithTimeout(ctx, t.config.CaptureTimeout)
		found, err := shipWritten(shipping, t.repo, t.record.Run, path)
		cancel()
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	listener, err := t.listenAgain(ctx)
	if err != nil {
		return nil, err
	}
	e := t.finish(ctx, listener, problems)
	if ctx.Err() != nil {
		// What was broken off says nothing of the run.
		return nil, context.Cause(ctx)
	}
	if e.NoSurvivor != nil && t.made {
		// The servers that were asked may not be the run's, and its own have what the
		// next judgement needs.
		t.config.Leftovers = KeepLeftovers
		t.log.Warn(fmt.Sprintf("slot and publication %s may be left on the nodes of the run: judge it there with pgrpo compare, or drop them with pgrpo reset", t.record.Slot))
	}
	return e, nil
}

// listenAgain goes on with the capture of the run, unless that has come to its
// end already: after the load there is only one end to hear.
func (t *trial) listenAgain(ctx context.Context) (*listener, error) {
	progresses, err := t.repo.Progresses(ctx, t.record.Run)
	if err != nil {
		return nil, err
	}
	t.made = len(progresses) > 0
	for _, p := range progresses {
		if p.Slot == t.record.Slot && p.Ended > 0 {
			return &listener{ended: true}, nil
		}
	}
	switch {
	case len(progresses) == 0:
		return &listener{deaf: "the run did not capture"}, nil
	case droppedHere(t.place):
		return &listener{deaf: "its slot was dropped when the run was judged before"}, nil
	}
	t.primary.CanReplicate, t.stream = true, t.config.Primary
	if id, err := identify(ctx, t.config.Primary); err == nil && id.Pooled {
		t.primary.Identity = id
		t.chooseStream(ctx)
	}
	return t.startCapture(ctx), nil
}

func (t *trial) reopenRepo(ctx context.Context) (err error) {
	dsn := t.config.Repo
	if dsn == "" && !t.record.EmbeddedRepo {
		return trouble.Refuse("run %s is kept in the repo %s: name that with --repo-pgdsn", RunName(t.record.Run), t.record.Repo)
	}
	if t.record.EmbeddedRepo && dsn == "" {
		binDir := t.config.BinDir
		if binDir == "" {
			binDir = t.record.BinDir
		}
		if t.embedded, err = reopenEmbedded(ctx, t.place, binDir, t.log); err != nil {
			return err
		}
		dsn = t.embedded.dsn
	}
	t.repo, err = repo.Open(ctx, dsn)
	return err
}

// finish visits the nodes, chooses the survivor, settles what is in doubt and
// ends the stream.
func (t *trial) finish(ctx context.Context, l *listener, problems []string) *Evidence {
	e := &Evidence{
		Record: t.record, Place: t.place, Repo: t.repo, Problems: problems,
		NoSurvivor: errors.New("the nodes were not asked"),
		Unresolved: map[txn.ID]string{}, Slot: slotPast(t.place), close: t.closeAll,
		BranchOf: func(txn.Driver, txn.Conn) pg.BranchID { return 0 },
	}
	defer func() { e.Capture = l.end() }()
	// The end of the capture is nothing that befell the slot.
	defer func() { e.problem("keep what was seen of the slots", t.watch.end(watchStore)) }()
	t.log.Info("asking the nodes which of them survived")
	s, err := surveyLedger(ctx, t.repo, t.record.Run)
	e.Account = s.account
	if err != nil {
		e.problem("read the ledger", err)
		return e
	}
	e.Problems = append(e.Problems, s.account.Holes...)
	e.Visits = visit(ctx, t.nodes(), t.record, s.greatest)
	directFirst(e.Visits)
	if err := t.trace(ctx, e, s); err != nil {
		e.problem("tell the branches apart", err)
		return e
	}
	t.chooseSurvivor(e, s)
	if e.NoSurvivor != nil {
		return e
	}
	e.problem("keep which server survived", keepSurvivor(t.place, e.Survivor()))
	t.settle(ctx, e, s.inDoubt)
	t.endStream(ctx, e, l)
	return e
}

// trace makes the branches of all contacts, those of the visits included, and of
// what the attempts were told. A standby follows a log and has none of its own:
// it only finds its branch.
func (t *trial) trace(ctx context.Context, e *Evidence, s survey) error {
	known, err := t.repo.Branches(ctx, t.record.Run)
	if err != nil {
		return err
	}
	stored, err := t.repo.Contacts(ctx, t.record.Run)
	if err != nil {
		return err
	}
	var contacts []pg.Contact
	for _, c := range stored {
		contacts = append(contacts, c.Contact)
	}
	past, found, err := readPastSurvivor(t.place)
	if err != nil {
		return err
	}
	pastAt := len(contacts)
	if found {
		contacts = append(contacts, past.Contact)
	}
	visits := make(map[int]int)
	for i := range e.Visits {
		if v := &e.Visits[i]; v.Err == nil && !v.Identity.InRecovery {
			visits[i] = len(contacts)
			contacts = append(contacts, v.Identity.Contact)
		}
	}
	branches, ids := pg.Trace(known, pg.Known(contacts, func(c pg.Contact) pg.Told {
		return s.told[connKey{txn.Driver(c.Observer), txn.Conn(c.Number)}]
	}))
	for i, at := range visits {
		e.Visits[i].Branch = ids[at]
	}
	for i := range e.Visits {
		if v := &e.Visits[i]; v.Err == nil && v.Identity.InRecovery {
			v.Branch = branches.Identified(v.Identity.Contact)
		}
	}
	if found {
		earlier := past.facts(ids[pastAt])
		e.earlier = &earlier
	}
	on := make(map[connKey]pg.BranchID)
	for i, c := range contacts {
		on[connKey{txn.Driver(c.Observer), txn.Conn(c.Number)}] = ids[i]
	}
	e.Branches = branches
	e.BranchOf = func(d txn.Driver, c txn.Conn) pg.BranchID { return on[connKey{d, c}] }
	return nil
}

// settle finds out on the survivor what became of the attempts in doubt.
func (t *trial) settle(ctx context.Context, e *Evidence, ids []txn.ID) {
	for _, id := range ids {
		e.Unresolved[id] = "it was not settled"
	}
	if len(ids) == 0 {
		return
	}
	t.log.Info(fmt.Sprintf("settling %d attempts in doubt", len(ids)))
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	conn, err := node.Connect(ctx, e.Survivor().Target, "pgrpo/settle")
	if err != nil {
		e.problem("settle attempts in doubt", err)
		return
	}
	defer node.Close(conn)
	found, err := e.settleOn(ctx, conn, ids)
	if err != nil && !errors.Is(err, node.ErrTablesAbsent) {
		e.problem("settle attempts in doubt", err)
	}
	// Asked afterwards, so that no restart or promotion before it is missed.
	there, err := node.Answering(ctx, conn)
	if err == nil && there != e.Survivor().Server() {
		err = node.ErrMoved
	}
	if err != nil {
		e.problem("settle attempts in doubt", err)
		return
	}
	for id, s := range found {
		if s != node.Unresolved {
			delete(e.Unresolved, id)
		} else {
			e.Unresolved[id] = "a transaction still holds its key, or its session is not gone"
		}
	}
}

// endAgain is how long one end transaction is waited for before the next is
// sent: capture may have come to the survivor after the first, with a slot that
// does not go back to it.
const endAgain = 5 * time.Second

// endStream commits end transactions, each announced durably before, through
// the run's endpoint, and waits until capture has heard the last.
func (t *trial) endStream(ctx context.Context, e *Evidence, l *listener) {
	if l.ended {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, t.config.CaptureTimeout)
	defer cancel()
	for sent := 0; ; sent++ {
		err := t.sendEnd(ctx, e, l)
		switch {
		case err == nil:
		case errors.Is(err, node.ErrTablesAbsent):
			return
		case sent > 0 && !errors.Is(err, node.ErrMoved):
			// The one before is committed, and may still be heard.
			t.log.Warn("the end transaction could not be sent again", "error", err)
			l.wait(ctx)
			return
		default:
			e.problem("end the stream", err)
			return
		}
		t.log.Info("following the stream to its end")
		patience, over := context.WithTimeout(ctx, endAgain)
		l.wait(patience)
		waited := patience.Err() != nil
		over()
		// The last one sent needs its time to be heard.
		if deadline, _ := ctx.Deadline(); !waited || time.Until(deadline) < endAgain {
			l.wait(ctx)
			return
		}
	}
}

// sendEnd announces one end transaction and commits it.
func (t *trial) sendEnd(ctx context.Context, e *Evidence, l *listener) error {
	sentinel, err := t.announce(ctx)
	if err != nil {
		return fmt.Errorf("announce it: %w", err)
	}
	l.expect(sentinel)
	conn, err := node.Connect(ctx, t.config.Primary, "pgrpo/end")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	return node.End(ctx, conn, t.record.Run, t.record.Workers, sentinel, e.Survivor().Server())
}

// announce stores the next end transaction in the repo before it is sent. The
// journals are closed by then.
func (t *trial) announce(ctx context.Context) (txn.Sentinel, error) {
	announced, err := t.repo.Sentinels(ctx, t.record.Run)
	if err != nil {
		return txn.Sentinel{}, err
	}
	next := txn.Sentinel{Number: 1}
	for _, s := range announced {
		next.Number = max(next.Number, s.Number+1)
	}
	rand.Read(next.Nonce[:])
	return next, t.repo.AddSentinel(ctx, t.record.Run, judgeObserver, next)
}

// closeAll drops what is left on the nodes and closes the repo.
func (t *trial) closeAll(ctx context.Context) error {
	var errs []error
	if t.made && t.config.Leftovers == DropLeftovers {
		// Noted first: a slot that pgrpo dropped is no gap of the cluster's.
		errs = append(errs, noteDrop(t.place), dropLeftovers(ctx, t.nodes(), t.record))
	}
	return errors.Join(append(errs, t.close())...)
}
