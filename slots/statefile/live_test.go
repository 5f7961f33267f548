package statefile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

var record = flag.Bool("record", false, "keep what the server wrote under testdata")

// row is a slot as the view shows it, in the types of the file.
type row struct {
	Name         string `json:"slot_name"`
	Plugin       string `json:"plugin"`
	Database     uint32 `json:"datoid"`
	Xmin         pg.Xid `json:"xmin"`
	CatalogXmin  pg.Xid `json:"catalog_xmin"`
	Restart      pg.LSN `json:"restart_lsn"`
	Confirmed    pg.LSN `json:"confirmed_flush_lsn"`
	Invalidation string `json:"invalidation_reason"`
	TwoPhase     bool   `json:"two_phase"`
	Failover     bool   `json:"failover"`
	Synced       bool   `json:"synced"`
}

func shown(s statefile.Slot) row {
	return row{
		Name: s.Name, Plugin: s.Plugin, Database: s.Database, Xmin: s.Xmin, CatalogXmin: s.CatalogXmin, Restart: s.Restart,
		Confirmed: s.Confirmed, Invalidation: s.Invalidation, TwoPhase: s.TwoPhase, Failover: s.Failover, Synced: s.Synced,
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rows asks the view. A column that the version does not have is zero; before 17
// the reason is told by wal_status alone.
func rows(t *testing.T, v *sandbox.Server, major int) []row {
	t.Helper()
	reason, failover, synced, twoPhase := "invalidation_reason", "failover", "synced", "two_phase"
	if major < 17 {
		reason, failover, synced = "case when wal_status = 'lost' then 'wal_removed' end", "false", "false"
	}
	if major < 14 {
		twoPhase = "false"
	}
	text, err := v.Value(t.Context(), fmt.Sprintf(`select json_agg(json_build_object('slot_name', slot_name, 'plugin', coalesce(plugin, ''),
		'datoid', coalesce(datoid::bigint, 0), 'xmin', coalesce(xmin::text::bigint, 0), 'catalog_xmin', coalesce(catalog_xmin::text::bigint, 0),
		'restart_lsn', coalesce(restart_lsn, '0/0'), 'confirmed_flush_lsn', coalesce(confirmed_flush_lsn, '0/0'),
		'invalidation_reason', coalesce(%s, ''), 'two_phase', %s, 'failover', %s, 'synced', %s) order by slot_name)
		from pg_replication_slots`, reason, twoPhase, failover, synced))
	check(t, err)
	var all []row
	check(t, json.Unmarshal([]byte(text), &all))
	return all
}

func sql(t *testing.T, v *sandbox.Server, statements ...string) {
	t.Helper()
	for _, s := range statements {
		check(t, v.Exec(t.Context(), s))
	}
}

// The files of a stopped server say what its view said: slots of each kind, one of
// them given up, and pg_control.
func TestFilesEqualTheView(t *testing.T) {
	binaries, err := sandboxtest.Binaries(t.Context())
	check(t, err)
	v, err := sandboxtest.Open(t).Primary(t.Context(), "primary", map[string]string{
		"max_slot_wal_keep_size": "32MB", "min_wal_size": "32MB", "max_wal_size": "48MB", "max_prepared_transactions": "2",
	})
	check(t, err)
	sql(t, v,
		"select pg_create_logical_replication_slot('plain', 'pgoutput')",
		"select pg_create_logical_replication_slot('lost', 'test_decoding')",
		"select pg_create_physical_replication_slot('physical', true)",
		"select pg_create_physical_replication_slot('unused')",
		"select pg_create_logical_replication_slot('"+strings.Repeat("n", 63)+"', 'pgoutput')")
	if binaries.Major >= 14 {
		sql(t, v, "select pg_create_logical_replication_slot('prepared', 'pgoutput', false, true)")
	}
	if binaries.Major >= 17 {
		sql(t, v, "select pg_create_logical_replication_slot('kept', 'pgoutput', false, false, true)")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		sql(t, v, "select pg_switch_wal()", "create table if not exists t (a int)", "insert into t values (1)",
			"select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from pg_replication_slots where restart_lsn is not null and slot_name <> 'lost'",
			"checkpoint")
		status, err := v.Value(t.Context(), "select wal_status from pg_replication_slots where slot_name = 'lost'")
		check(t, err)
		if status == "lost" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the slot is still %s", status)
		}
	}
	sql(t, v, "checkpoint")
	want := rows(t, v, binaries.Major)
	system, err := v.Value(t.Context(), "select system_identifier from pg_control_system()")
	check(t, err)
	segment, err := v.Value(t.Context(), "select pg_size_bytes(current_setting('wal_segment_size'))")
	check(t, err)
	checkpoint, err := v.Value(t.Context(), "select concat_ws(' ', checkpoint_lsn, redo_lsn, timeline_id, prev_timeline_id, extract(epoch from checkpoint_time)::bigint) from pg_control_checkpoint()")
	check(t, err)
	check(t, v.Kill())

	d, err := statefile.Read(v.Dir())
	check(t, err)
	check(t, d.Damaged())
	if d.Major != binaries.Major {
		t.Errorf("major version %d, want %d", d.Major, binaries.Major)
	}
	var got []row
	for _, s := range d.Slots {
		got = append(got, shown(s.Slot))
		// The version is the same in 17 and 18, the reason's number is not.
		if file, err := os.ReadFile(s.Path); err != nil {
			t.Error(err)
		} else if again, err := statefile.ParseSlot(file, 0); err != nil || again != s.Slot {
			t.Errorf("without the version: %+v, %v", again, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slots, view (-) and files (+):\n%s", diff)
	}
	c := d.Control
	if c.System.String() != system || strconv.FormatUint(c.SegmentBytes, 10) != segment || c.State != statefile.InProduction {
		t.Errorf("pg_control %+v, want system %s and segments of %s", c, system, segment)
	}
	if found := fmt.Sprintf("%s %s %d %d %d", c.Checkpoint, c.Redo, c.Timeline, c.PreviousTimeline, c.CheckpointAt.Unix()); found != checkpoint {
		t.Errorf("checkpoint %s, want %s", found, checkpoint)
	}
	if *record {
		keep(t, filepath.Join("testdata", strconv.Itoa(binaries.Major)), d, want)
	}
}

// keep stores the files and the view's rows as a case of [TestRecorded].
func keep(t *testing.T, dir string, d statefile.Directory, want []row) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	for _, s := range d.Slots {
		file, err := os.ReadFile(s.Path)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(dir, s.Slot.Name+".state"), file, 0o644))
	}
	control, err := os.ReadFile(filepath.Join(d.Path, "global", "pg_control"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "pg_control"), control[:512], 0o644))
	text, err := json.MarshalIndent(map[string]any{"slots": want, "control": d.Control, "system": d.Control.System}, "", "  ")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "view.json"), append(text, '\n'), 0o644))
}
