package pg_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// The rows are what to_jsonb made of pg_replication_slots on 18, 16 and 13.
func TestSlotOfARow(t *testing.T) {
	for _, c := range []struct {
		row    string
		want   pg.Slot
		reason string
	}{
		{`{"slot_name": "a", "plugin": "pgoutput", "slot_type": "logical", "datoid": "5", "database": "postgres", "temporary": false,
			"active": true, "active_pid": 77, "xmin": null, "catalog_xmin": "4294967295", "restart_lsn": "0/50066C8",
			"confirmed_flush_lsn": "1/0", "wal_status": "reserved", "safe_wal_size": null, "two_phase": true, "two_phase_at": "0/10",
			"inactive_since": null, "conflicting": false, "invalidation_reason": null, "failover": true, "synced": false}`,
			pg.Slot{Name: "a", Plugin: "pgoutput", Type: "logical", Database: "postgres", DatabaseOID: 5, Active: true, ActivePid: 77,
				CatalogXmin: 1<<32 - 1, Restart: 0x50066C8, Confirmed: 1 << 32, WalStatus: "reserved", TwoPhase: true, TwoPhaseAt: 16,
				Failover: true}, ""},
		{`{"slot_name": "b", "slot_type": "logical", "inactive_since": "2026-11-21T12:31:46.5+00:00", "conflicting": true,
			"invalidation_reason": "rows_removed", "wal_status": "lost", "restart_lsn": null, "catalog_xmin": null}`,
			pg.Slot{Name: "b", Type: "logical", InactiveSince: time.Date(2026, 11, 21, 12, 31, 46, 5e8, time.UTC), Conflicting: true,
				Invalidation: "rows_removed", WalStatus: "lost"}, "rows_removed"},
		{`{"slot_name": "c", "slot_type": "physical", "wal_status": "lost", "plugin": null, "database": null}`,
			pg.Slot{Name: "c", Type: "physical", WalStatus: "lost"}, "wal_removed"},
		{`{"slot_name": "d", "slot_type": "logical", "conflicting": true, "wal_status": "reserved"}`,
			pg.Slot{Name: "d", Type: "logical", Conflicting: true, WalStatus: "reserved"}, "conflicting"},
	} {
		var got pg.Slot
		if err := json.Unmarshal([]byte(c.row), &got); err != nil {
			t.Fatal(err)
		}
		if !got.InactiveSince.Equal(c.want.InactiveSince) {
			t.Errorf("inactive since %s", got.InactiveSince)
		}
		got.InactiveSince = c.want.InactiveSince
		if got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
		if reason, lost := got.Lost(); reason != c.reason || lost != (c.reason != "") {
			t.Errorf("%s: lost %v, %q", got.Name, lost, reason)
		}
		// What is written is read again as the same, and what is null is absent.
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again pg.Slot
		if err := json.Unmarshal(text, &again); err != nil || again != got {
			t.Errorf("again %+v, %v", again, err)
		}
	}
}
