package capture

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A slot that the server itself gave up, though it is still listed, is made
// again: what was written meanwhile lies in a recorded gap that names the
// reason, and what follows is heard.
func TestSlotGivenUp(t *testing.T) {
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	if err != nil {
		t.Fatal(err)
	}
	major := box.Binaries().Major
	for _, tc := range []struct {
		name, setting, value string
		since                int
		// churn runs between two checkpoints, as the server looks at its slots then.
		churn  string
		reason func() string
	}{
		{
			name: "the log it needs is gone", setting: "max_slot_wal_keep_size", value: "1MB",
			churn: "select pg_logical_emit_message(false, 'pad', repeat('x', 1 << 20)) from generate_series(1, 20); select pg_switch_wal()",
			reason: func() string {
				if major >= 17 {
					return "slot invalidated: wal_removed"
				}
				return "slot lost"
			},
		},
		{
			name: "nobody read from it", setting: "idle_replication_slot_timeout", value: "1s", since: 18,
			churn: "select pg_sleep(0.1)", reason: func() string { return "slot invalidated: idle_timeout" },
		},
	} {
		if major < tc.since {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			p := (&failover{box: box, primary: primary, standby: primary, major: major}).join(t)
			p.commit(primary, 2, 3)
			p.must(primary.Set(p.ctx, tc.setting, tc.value))
			p.until("wait until the server gives the slot up", func() bool {
				p.must(primary.Exec(p.ctx, tc.churn))
				p.must(primary.Exec(p.ctx, "checkpoint"))
				return p.slotValue(primary, "wal_status") == "lost"
			})
			p.must(primary.Exec(p.ctx, fmt.Sprintf("alter system reset %s", tc.setting)))
			p.must(primary.Reload(p.ctx))
			p.commit(primary, 4)
			r := p.capture()
			r.awaitReady(t)
			p.commit(primary, 90)
			p.finish(r, primary)
			p.account(r, outcome{missing: []txn.Seq{2, 3, 4}, reason: tc.reason()})
		})
	}
}
