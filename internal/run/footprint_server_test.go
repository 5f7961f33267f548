package run

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// written is what a server has of a load, by its own word.
type written struct{ markers, wal, tables int64 }

func writtenOn(ctx context.Context, v *sandbox.Server) (w written, err error) {
	text, err := v.Value(ctx, `select (select count(*) from pgrpo.marker) || ' ' || (pg_current_wal_insert_lsn() - '0/0')::bigint || ' ' ||
 (select sum(pg_total_relation_size(oid))::bigint from pg_class where relnamespace = 'pgrpo'::regnamespace and relkind = 'r')`)
	if err == nil {
		_, err = fmt.Sscan(text, &w.markers, &w.wal, &w.tables)
	}
	return w, err
}

// What is said before the load of what it will write is what a real server writes:
// the log nearly, and the tables at most, since a server uses again what updates and
// deletes leave.
func TestFootprintOfARealLoad(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", map[string]string{"full_page_writes": "off"})
	if err != nil {
		t.Fatal(err)
	}
	repository, err := box.Primary(t.Context(), "repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	target, err := node.Parse(primary.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	const enough = 5000
	mix := plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 100}
	var before, after written
	e, err := Do(t.Context(), Config{
		Primary: target, Repo: repository.DSN("postgres"), RunDir: t.TempDir(), Workers: 2, Mix: mix, Seed: 1, Grace: 5 * time.Minute,
		Log: slog.New(slog.DiscardHandler), Version: "test",
		Fault: func(ctx context.Context) (err error) {
			if before, err = writtenOn(ctx, primary); err != nil {
				return err
			}
			for after.markers < before.markers+enough && err == nil {
				if err = within(ctx, 50*time.Millisecond); err == nil {
					after, err = writtenOn(ctx, primary)
				}
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if len(e.Problems) > 0 {
		t.Fatal(e.Problems)
	}
	n := after.markers - before.markers
	wal, tables, said := (after.wal-before.wal)/n, (after.tables-before.tables)/n, footprintOf(mix)
	t.Logf("a transaction writes %d bytes of WAL, %d of tables; said: %+v", wal, tables, said)
	if said.wal < wal*3/4 || said.wal > wal*3/2 {
		t.Errorf("%d bytes of WAL a transaction, said: %d", wal, said.wal)
	}
	if said.tables < tables || said.tables > 3*tables {
		t.Errorf("%d bytes of tables a transaction, said: %d", tables, said.tables)
	}
}
