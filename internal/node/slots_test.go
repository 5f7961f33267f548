package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

func readSlots(t *testing.T, conn *pgconn.PgConn) node.SlotView {
	t.Helper()
	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	v, err := node.ReadSlots(t.Context(), conn, id)
	check(t, err)
	return v
}

func slotOf(t *testing.T, v node.SlotView, name string) pg.Slot {
	t.Helper()
	for _, s := range v.Slots {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no slot %s among %v", name, v.Slots)
	return pg.Slot{}
}

// drop drops slots of the shared server at the end of the test.
func drop(t *testing.T, names ...string) {
	t.Cleanup(func() {
		for _, name := range names {
			_ = shared.Exec(context.Background(), "select pg_drop_replication_slot('"+name+"')")
		}
	})
}

func TestReadSlots(t *testing.T) {
	dsn := database(t)
	conn := connect(t, dsn)
	drop(t, "read_logical", "read_physical")
	exec(t, conn, "select pg_create_logical_replication_slot('read_logical', 'test_decoding'), pg_create_physical_replication_slot('read_physical')")
	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	v := readSlots(t, connect(t, as(dsn, role(t, "login"))))
	logical, physical := slotOf(t, v, "read_logical"), slotOf(t, v, "read_physical")
	if logical.Plugin != "test_decoding" || logical.Database != id.Database || logical.Confirmed == 0 || !logical.Logical() || physical.Logical() {
		t.Errorf("read %+v and %+v", logical, physical)
	}
	if v.End < logical.Confirmed || v.Replayed != 0 || v.Syncing || len(v.Unseen) != 0 {
		t.Errorf("the end is %s, replayed %s, unseen %q", v.End, v.Replayed, v.Unseen)
	}
	if v.Settings["wal_level"] != "logical" || v.Settings["max_slot_wal_keep_size"] != "-1" {
		t.Errorf("settings %v", v.Settings)
	}
	_, sync := v.Settings["sync_replication_slots"]
	if sync != (id.VersionNum >= 170000) {
		t.Errorf("settings of version %d: %v", id.VersionNum, v.Settings)
	}
}

// What decoding says, by SQLSTATE, and that the slot stays where it is.
func TestPeekSlot(t *testing.T) {
	dsn := database(t)
	conn := connect(t, dsn)
	there := target(t, shared.DSN("postgres"))
	drop(t, "peek_text", "peek_binary")
	exec(t, conn, "create table t (a int)")
	exec(t, conn, `select pg_create_logical_replication_slot('peek_text', 'test_decoding'), pg_create_logical_replication_slot('peek_binary', 'pgoutput')`)
	all := readSlots(t, conn)
	text, binary := slotOf(t, all, "peek_text"), slotOf(t, all, "peek_binary")
	check(t, node.PeekSlot(t.Context(), there, text))
	check(t, node.PeekSlot(t.Context(), there, binary))

	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	exec(t, conn, "insert into t values (1)")
	// The server of 18 passes over a publication that is not there.
	err = node.PeekSlot(t.Context(), there, binary)
	if missing := err != nil && strings.Contains(err.Error(), "no publication in database"); missing != (id.VersionNum < 180000) {
		t.Errorf("without a publication: %v", err)
	}
	exec(t, conn, `create publication "odd, ""name" for all tables`)
	// The publication is younger than the change that waits.
	if err := node.PeekSlot(t.Context(), there, binary); id.VersionNum < 180000 && (err == nil || errors.Is(err, node.ErrUndecodable)) {
		t.Errorf("with a publication that is too young: %v", err)
	}
	exec(t, conn, "select pg_replication_slot_advance('peek_binary', pg_current_wal_lsn())")
	exec(t, conn, "insert into t values (2)")
	exec(t, conn, "begin; insert into t values (3); insert into t values (4); commit")
	middle := exec(t, conn, "select pg_current_wal_insert_lsn()")
	upto, err := pg.ParseLSN(string(middle[0][0]))
	check(t, err)
	exec(t, conn, "create publication younger")
	exec(t, conn, "insert into t values (5)")
	check(t, node.PeekSlot(t.Context(), there, text))
	check(t, node.PeekSlot(t.Context(), there, binary))
	exec(t, conn, "drop publication younger")
	// The text plugin shows the first row and the publication that came next too.
	for _, c := range []struct {
		slot pg.Slot
		upto pg.LSN
		want int
	}{{binary, upto, 2}, {text, upto, 4}} {
		if n, err := node.CountPeeked(t.Context(), there, c.slot, c.upto); err != nil || n != c.want {
			t.Errorf("%s up to %s: %d transactions, %v, want %d", c.slot.Name, c.upto, n, err, c.want)
		}
	}
	if now := slotOf(t, readSlots(t, conn), "peek_text"); now.Confirmed != text.Confirmed {
		t.Errorf("the slot went from %+v to %+v", text, now)
	}
	if err := node.PeekSlot(t.Context(), target(t, as(shared.DSN("postgres"), role(t, "login"))), text); err == nil ||
		errors.Is(err, node.ErrUndecodable) || !strings.Contains(err.Error(), "may not") {
		t.Errorf("without the right: %v", err)
	}
}

// A slot in use, and one that the server gave up.
func TestPeekSlotInUseAndLost(t *testing.T) {
	drop(t, "peek_lost")
	conn := connect(t, shared.DSN("postgres"))
	exec(t, conn, "select pg_create_logical_replication_slot('peek_held', 'test_decoding', true), pg_create_logical_replication_slot('peek_lost', 'test_decoding')")
	there := target(t, shared.DSN("postgres"))
	held := slotOf(t, readSlots(t, conn), "peek_held")
	if err := node.PeekSlot(t.Context(), there, held); err == nil || errors.Is(err, node.ErrUndecodable) || !strings.Contains(err.Error(), "reads from it") {
		t.Errorf("in use: %v", err)
	}
	node.Close(conn)
	conn = connect(t, shared.DSN("postgres"))
	check(t, shared.Set(t.Context(), "max_slot_wal_keep_size", "1MB"))
	defer func() {
		check(t, shared.Set(context.Background(), "max_slot_wal_keep_size", "-1"))
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		for range 3 {
			check(t, shared.Exec(t.Context(), "create table if not exists fill (a int); insert into fill values (1); select pg_switch_wal()"))
		}
		check(t, shared.Exec(t.Context(), "checkpoint"))
		if _, lost := slotOf(t, readSlots(t, conn), "peek_lost").Lost(); lost {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the slot is still kept")
		}
	}
	if err := node.PeekSlot(t.Context(), there, slotOf(t, readSlots(t, conn), "peek_lost")); !errors.Is(err, node.ErrUndecodable) {
		t.Errorf("given up: %v", err)
	}
}

// A server that waits for a standby before it decodes is not waited for longer than
// the caller likes.
func TestPeekSlotThatWaits(t *testing.T) {
	conn := connect(t, shared.DSN("postgres"))
	id, err := node.Identify(t.Context(), conn)
	check(t, err)
	if id.VersionNum < 170000 {
		if n := len(exec(t, conn, "select from pg_settings where name = 'synchronized_standby_slots'")); n != 0 {
			t.Error("a server before 17 waits for standbys")
		}
		return
	}
	drop(t, "peek_waits", "peek_absent")
	exec(t, conn, "select pg_create_logical_replication_slot('peek_waits', 'test_decoding', false, false, true), pg_create_physical_replication_slot('peek_absent')")
	check(t, shared.Set(t.Context(), "synchronized_standby_slots", "peek_absent"))
	defer func() { check(t, shared.Set(context.Background(), "synchronized_standby_slots", "")) }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err = node.PeekSlot(ctx, target(t, shared.DSN("postgres")), slotOf(t, readSlots(t, conn), "peek_waits"))
	if err == nil || errors.Is(err, node.ErrUndecodable) || !strings.Contains(err.Error(), "synchronized_standby_slots") {
		t.Errorf("decoding that waits: %v", err)
	}
}

func TestConninfoDatabase(t *testing.T) {
	for conninfo, want := range map[string]string{
		"":                                       "",
		"host=a user=b password=c":               "",
		"host=a dbname=d password='dbname=x'":    "d",
		`password='a\' dbname=x' dbname = 'd e'`: "d e",
		`dbname=a\ b dbname=c`:                   "c",
		"dbname='' host=a":                       "",
		"postgres://u:p@h/d":                     "d",
		"postgresql://u:p@h:1,i:2/d?x=y":         "d",
		"postgresql://u:p@h?dbname=e%20f":        "e f",
		"postgresql://u:dbname=p@h":              "",
	} {
		if got := node.ConninfoDatabase(conninfo); got != want {
			t.Errorf("%q: %q, want %q", conninfo, got, want)
		}
	}
}
