package verdict

import (
	"context"

	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// summers is how many connections sum the survivor's rows at once.
const summers = 4

// sum lets several connections that join the survivor's moment sum its rows. It
// only saves time: what it could not sum, the judge asks for itself, and then
// an error is the judge's.
func sum(ctx context.Context, v *run.Visit, streams *source.Live, workers []txn.Worker) {
	if v.Identity.Pooled {
		return // A pooler may have no more server connections to give.
	}
	var joined []*node.Snapshot
	for range min(summers, len(workers)) {
		s, done, err := join(ctx, v, streams.Survivor.Name())
		if err != nil {
			break
		}
		defer done()
		joined = append(joined, s)
	}
	if len(joined) > 0 {
		_ = streams.Sum(workers, joined)
	}
}

// join opens the moment of a snapshot on one more connection to its server.
func join(ctx context.Context, v *run.Visit, name string) (*node.Snapshot, func(), error) {
	conn, err := node.Connect(ctx, v.Target, "pgrpo/judge")
	if err != nil {
		return nil, nil, err
	}
	s, err := node.Join(ctx, conn, name)
	if err == nil {
		err = same(ctx, conn, v)
	}
	if err != nil {
		node.Close(conn)
		return nil, nil, err
	}
	return s, func() { s.Close(); node.Close(conn) }, nil
}
