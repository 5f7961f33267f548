package node_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A role that may not read the control data still ends its stream, and still
// proves within a transaction which server it reads.
func TestRoleWithoutControlData(t *testing.T) {
	ctx := t.Context()
	dsn := database(t)
	admin, owner := connect(t, dsn), role(t, "login")
	exec(t, admin, "revoke execute on function pg_control_system() from public")
	exec(t, admin, "grant create on database "+target(t, dsn).Database()+" to "+owner)
	conn := connect(t, as(dsn, owner))
	id, err := node.Identify(ctx, conn)
	check(t, err)
	if id.System != 0 {
		t.Errorf("system %v, want none", id.System)
	}
	run := nextRun()
	_, err = node.Init(ctx, conn, workers)
	check(t, err)
	here := node.Server{Timeline: id.Timeline, Start: id.Start}
	check(t, node.End(ctx, conn, run, workers, txn.Sentinel{Number: 1}, here))

	snapshot, err := node.Begin(ctx, conn)
	check(t, err)
	defer snapshot.Close()
	if got, err := node.Answering(ctx, snapshot.Conn()); err != nil || got != here {
		t.Errorf("Answering = %+v, %v, want %+v", got, err, here)
	}
	if _, err := snapshot.MarkerWorkers(ctx, run); err != nil {
		t.Errorf("read on after Answering: %v", err)
	}
}
