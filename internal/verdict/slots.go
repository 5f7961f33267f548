package verdict

import (
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/slots"
)

// ownSlot shows what was seen of the run's slot on the survivor. Whether its
// stream went on without a gap is the judge's to say, by the commits; of the
// slot itself nothing is proven by looking at a row of a view.
func ownSlot(e *run.Evidence) []report.Slot {
	if !e.Capture.Heard || e.NoSurvivor != nil {
		return nil
	}
	v := e.Survivor()
	s := report.Slot{
		Name: e.Record.Slot, Node: v.Name(), Verdict: slots.NotChecked.String(), Also: []string{},
		Reason: "it was looked at, not decoded from", Before: map[string]any{}, After: map[string]any{},
	}
	if v.Slot != nil {
		s.After = shown(*v.Slot)
	}
	return []report.Slot{s}
}

func shown(s node.Slot) map[string]any {
	return map[string]any{
		"plugin": s.Plugin, "database": s.Database, "temporary": s.Temporary, "active": s.Active,
		"restart_lsn": s.Restart, "confirmed_flush_lsn": s.Confirmed, "wal_status": s.WalStatus,
		"invalidation_reason": s.Invalidation, "failover": s.Failover, "synced": s.Synced,
	}
}
