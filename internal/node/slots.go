package node

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// UpstreamDatabase is the name under which [SlotView] has the database that
// primary_conninfo names. The rest of that setting, which may hold a password, is
// kept nowhere.
const UpstreamDatabase = "dbname in primary_conninfo"

// SlotView is what one server shows of its replication slots and of what they
// depend on.
type SlotView struct {
	// Slots are all slots, by name.
	Slots []pg.Slot
	// Settings are those that matter to slots, by name, as SHOW gives them. One
	// that the version does not have is absent. [UpstreamDatabase] is there on a
	// standby, empty where primary_conninfo names none.
	Settings map[string]string
	// Syncing says that a worker of this standby synchronizes slots (17 and newer).
	Syncing bool
	// End is the end of the flushed log: what was written on a primary, what was
	// received on a standby. Replayed is how far a standby shows; 0 on a primary.
	// Both were read after the slots.
	End, Replayed pg.LSN
	// StatsReset is since when the server has its statistics, in microseconds since
	// 1970: a crash of any of its processes loses them.
	StatsReset int64
	// Unseen is what the role may not see, in words, with the right that shows it.
	Unseen []string
}

const slotSettingsSQL = `select name, current_setting(name) from pg_settings where name in (
 'wal_level', 'max_replication_slots', 'max_slot_wal_keep_size', 'idle_replication_slot_timeout', 'sync_replication_slots',
 'hot_standby_feedback', 'primary_slot_name', 'primary_conninfo', 'synchronized_standby_slots')`

// slotStatsSince is the first version whose pg_stat_replication_slots shows at once
// what was decoded. That of 14 is told by messages, which come late or never.
const slotStatsSince = 150000

const (
	plainSlotsSQL = "select to_jsonb(s) from pg_replication_slots s order by s.slot_name"
	slotsSQL      = `select to_jsonb(s) || jsonb_build_object('total_txns', t.total_txns, 'stats_reset', t.stats_reset)
 from pg_replication_slots s left join pg_stat_replication_slots t on t.slot_name = s.slot_name order by s.slot_name`
)

// ReadSlots asks a server for its slots. Nothing that it asks for needs a right;
// what a right would have shown is named in Unseen.
func ReadSlots(ctx context.Context, conn *pgconn.PgConn, id Identity) (SlotView, error) {
	v, err := readSlots(ctx, conn, id)
	if err != nil {
		return SlotView{}, fmt.Errorf("read the slots of %s: %w", remote(conn), err)
	}
	return v, nil
}

func readSlots(ctx context.Context, conn *pgconn.PgConn, id Identity) (SlotView, error) {
	v := SlotView{Settings: make(map[string]string)}
	sql := slotsSQL
	if id.VersionNum < slotStatsSince {
		sql = plainSlotsSQL
	}
	rows, err := query(ctx, conn, sql)
	if err != nil {
		return v, err
	}
	for _, row := range rows {
		var s pg.Slot
		if err := json.Unmarshal(row[0], &s); err != nil {
			return v, err
		}
		v.Slots = append(v.Slots, s)
	}
	// A slot is never confirmed past a log whose end is read later, unless it is
	// so for good.
	r, err := one(ctx, conn, `select case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
  else pg_current_wal_flush_lsn() end,
 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end,
 (select (extract(epoch from stats_reset) * 1000000)::bigint from pg_stat_bgwriter),
 pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
 exists (select from pg_stat_activity where backend_type = 'slotsync worker')`)
	if err != nil {
		return v, err
	}
	v.End, v.Replayed = r.lsn(), r.lsn()
	v.StatsReset = r.number()
	seesWorkers := r.truth()
	v.Syncing = r.truth()
	if r.err != nil {
		return v, r.err
	}
	if rows, err = query(ctx, conn, slotSettingsSQL); err != nil {
		return v, err
	}
	for _, row := range rows {
		v.Settings[string(row[0])] = string(row[1])
	}
	conninfo, seen := v.Settings["primary_conninfo"]
	delete(v.Settings, "primary_conninfo")
	if !id.InRecovery {
		return v, nil
	}
	if seen {
		v.Settings[UpstreamDatabase] = conninfoDatabase(conninfo)
	} else {
		v.Unseen = append(v.Unseen, "whether primary_conninfo names a dbname: grant pg_read_all_settings")
	}
	if !seesWorkers && id.VersionNum >= 170000 {
		v.Unseen = append(v.Unseen, "whether a slot sync worker runs: grant pg_read_all_stats")
	}
	return v, nil
}
