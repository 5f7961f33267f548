package slots_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// A server of 18 gives up a slot whose consumer is away for long, and so its file says.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	if major(t) < 18 {
		lacks(t, "idle_replication_slot_timeout")
		return
	}
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", map[string]string{"idle_replication_slot_timeout": "1s"})
	check(t, err)
	sql(t, v, "create table t (a int)")
	create(t, v, "", "slept")
	before := survey(t, v)
	until(t, "the slot is given up", func() bool {
		insert(t, v, 1)
		sql(t, v, "checkpoint")
		return value(t, v, "select invalidation_reason from pg_replication_slots where slot_name = 'slept'") == "idle_timeout"
	})
	all := checkAll(t, before, nil, v)
	verify(t, all, map[string]expect{"slept": {verdict: slots.LostInvalidated}})
	if !strings.Contains(all[0].Reason, "idle_timeout") {
		t.Errorf("the reason is %q", all[0].Reason)
	}
	check(t, v.Kill())
	d, err := statefile.Read(v.Dir())
	check(t, err)
	if len(d.Slots) != 1 || d.Slots[0].Err != nil || d.Slots[0].Slot.Invalidation != "idle_timeout" {
		t.Errorf("its file says %+v", d.Slots)
	}
}
