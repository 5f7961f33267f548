package node_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// A run whose tables were dropped under it would take all that it did for lost:
// reset drops nothing while its sessions are there, and all once they are not.
func TestResetWaitsForRuns(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	conn := connect(t, dsn)
	_, err := node.Init(ctx, conn, workers)
	check(t, err)
	exec(t, conn, "select pg_create_logical_replication_slot('pgrpo_78', 'pgoutput')")
	for _, name := range []string{node.AppName(77, 1), "pgrpo/77/capture", "pgrpo/judge", "pgrpo/settle", "pgrpo/end"} {
		session, err := node.Connect(ctx, target(t, dsn), name)
		check(t, err)
		dropped, _, err := node.Reset(ctx, conn)
		node.Close(session)
		if trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), name) || len(dropped) != 0 {
			t.Errorf("while %s is connected, reset dropped %q: %v", name, dropped, err)
		}
	}
	if dropped, left, err := node.Reset(ctx, conn); err != nil || len(left) != 0 || len(dropped) != len(workers)+4 {
		t.Errorf("once they are gone, reset dropped %q, left %q: %v", dropped, left, err)
	}
}
