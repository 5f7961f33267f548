package node_test

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
)

// A server tells the ends of its own role, and those of the other are 0, also to a
// role without rights. A standby that was promoted does not repeat what it replayed.
func TestReadEnds(t *testing.T) {
	ctx := t.Context()
	_, primary, standby := pair(t)
	check(t, primary.Exec(ctx, "create role plain login"))
	check(t, standby.WaitReplayed(ctx, primary))
	read := func(dsn string) node.Ends {
		t.Helper()
		e, err := node.ReadEnds(ctx, connect(t, as(dsn, "plain")))
		check(t, err)
		return e
	}
	before := read(standby.DSN("postgres"))
	if before.Receive == 0 || before.Replay == 0 || before.Insert != 0 || before.Flush != 0 {
		t.Errorf("standby: %+v", before)
	}
	if e := read(primary.DSN("postgres")); e.Flush == 0 || e.Insert < e.Flush || e.Receive != 0 || e.Replay != 0 || e.Flush < before.Replay {
		t.Errorf("primary: %+v, its standby %+v", e, before)
	}
	check(t, standby.Promote(ctx))
	if e := read(standby.DSN("postgres")); e.Flush == 0 || e.Receive != 0 || e.Replay != 0 {
		t.Errorf("promoted: %+v", e)
	}
}
