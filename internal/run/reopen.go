package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Reopen opens what is kept of a run, to be read: it asks the nodes that c names,
// which may be none, and ships, settles, captures and drops nothing. What only the
// run's journals know is not in it. A run that still goes on is refused, as are a
// record and a repo of another run. The evidence has no capture's end.
func Reopen(ctx context.Context, c Config, p Place) (_ *Evidence, err error) {
	t := &trial{config: c.timeouts(), log: c.Log, place: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if t.claim, err = claimPlace(p); err != nil {
		return nil, err
	}
	if t.record, err = ReadRecord(p); err != nil {
		return nil, err
	}
	if err := t.reopenRepo(ctx); err != nil {
		return nil, err
	}
	if err := t.recognize(ctx); err != nil {
		return nil, err
	}
	e := &Evidence{
		Record: t.record, Place: p, Repo: t.repo, Unresolved: map[txn.ID]string{},
		NoSurvivor: errors.New("no node was asked"),
		BranchOf:   func(txn.Driver, txn.Conn) pg.BranchID { return 0 },
		close:      func(context.Context) error { return t.close() },
	}
	s, err := surveyLedger(ctx, t.repo, t.record.Run)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	e.Account = s.account
	var nodes []node.Target
	for _, target := range append([]node.Target{c.Primary}, c.Standbys...) {
		if target != (node.Target{}) {
			nodes = append(nodes, target.Hosts()...)
		}
	}
	e.Visits = visit(ctx, nodes, t.record, s.greatest)
	directFirst(e.Visits)
	if err := t.trace(ctx, e, s); err != nil {
		return nil, fmt.Errorf("tell the branches apart: %w", err)
	}
	if len(e.Visits) > 0 {
		t.chooseSurvivor(e, s)
	}
	return e, nil
}
