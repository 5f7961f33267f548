package pg

import "time"

// Slot is a replication slot as pg_replication_slots shows it, read from the row as
// JSON, so that each version of PostgreSQL gives the columns that it has. A column
// that is null, or that the version lacks, is zero.
type Slot struct {
	Name string `json:"slot_name"`
	// Plugin and Database are empty for a physical slot.
	Plugin   string `json:"plugin,omitempty"`
	Type     string `json:"slot_type"` // logical or physical
	Database string `json:"database,omitempty"`
	// DatabaseOID stays when the database is renamed.
	DatabaseOID uint32 `json:"datoid,string,omitzero"`
	Temporary   bool   `json:"temporary"`
	Active      bool   `json:"active"`
	ActivePid   int32  `json:"active_pid,omitzero"`
	// CatalogXmin is the oldest transaction whose effect on the catalogs is kept.
	CatalogXmin Xid `json:"catalog_xmin,string,omitzero"`
	// Restart is from where WAL is kept, and Confirmed the least start of a commit
	// record that is still to be sent.
	Restart   LSN `json:"restart_lsn,omitzero"`
	Confirmed LSN `json:"confirmed_flush_lsn,omitzero"`
	// WalStatus is reserved, extended, unreserved, lost, or empty.
	WalStatus string `json:"wal_status,omitempty"`
	// SafeBytes is how much WAL may be written until the slot is in danger; nil if
	// there is no limit, or if the slot is lost.
	SafeBytes  *int64 `json:"safe_wal_size,omitempty"`
	TwoPhase   bool   `json:"two_phase,omitempty"`
	TwoPhaseAt LSN    `json:"two_phase_at,omitzero"`
	// InactiveSince is from 17 on.
	InactiveSince time.Time `json:"inactive_since,omitzero"`
	// Conflicting is from 16 on: there for any invalidation of a logical slot,
	// later only for rows_removed and wal_level_insufficient.
	Conflicting bool `json:"conflicting,omitempty"`
	// Invalidation is the reason, from 17 on.
	Invalidation string `json:"invalidation_reason,omitempty"`
	// Failover and Synced are from 17 on. Synced says nothing on a primary.
	Failover bool `json:"failover,omitempty"`
	Synced   bool `json:"synced,omitempty"`
	// TotalTxns is how many transactions were decoded from the slot since it was
	// made, since StatsReset or since the server last lost its statistics; nil
	// before 15. Both are of pg_stat_replication_slots.
	TotalTxns  *int64    `json:"total_txns,omitempty"`
	StatsReset time.Time `json:"stats_reset,omitzero"`
}

// Logical tells a logical slot from a physical one.
func (s Slot) Logical() bool { return s.Type == "logical" }

// Lost tells whether the server gave the slot up, and why. Versions before 17 do not
// name the reason: on 16 it is "conflicting" where the WAL is still there.
func (s Slot) Lost() (reason string, lost bool) {
	switch {
	case s.Invalidation != "":
		return s.Invalidation, true
	case s.Conflicting && s.WalStatus != "lost":
		return "conflicting", true
	case s.WalStatus == "lost":
		return "wal_removed", true
	}
	return "", false
}
