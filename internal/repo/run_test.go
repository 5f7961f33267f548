package repo_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestRuns(t *testing.T) {
	ctx := t.Context()
	r, _ := fresh(t)
	if err := r.AddRun(ctx, row(run)); !errors.Is(err, repo.ErrRunExists) {
		t.Errorf("a taken number: %v, want ErrRunExists", err)
	}
	must(t, r.AddRun(ctx, row(run-1)))
	got, err := r.Runs(ctx)
	must(t, err)
	utc := cmp.Transformer("utc", time.Time.UTC)
	if diff := cmp.Diff([]repo.RunRow{row(run - 1), row(run)}, got, utc); diff != "" {
		t.Error(diff)
	}
	one, err := r.Run(ctx, run)
	must(t, err)
	if diff := cmp.Diff(row(run), one, utc); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Run(ctx, 5); !errors.Is(err, repo.ErrNoRun) {
		t.Errorf("an unknown run: %v, want ErrNoRun", err)
	}
}

// Every table with a run column is emptied of that run and of no other.
func TestRemoveRun(t *testing.T) {
	ctx := t.Context()
	r, name := fresh(t)
	must(t, r.AddRun(ctx, row(run+1)))
	tables := strings.Fields(value(t, name, `select string_agg(c.relname::text, ' ') from pg_attribute a join pg_class c on c.oid = a.attrelid
		where c.relnamespace = 'pgrpo'::regnamespace and c.relkind = 'r' and a.attname = 'run'`))
	if len(tables) != 19 {
		t.Fatalf("%d tables are by run, want 19: %v", len(tables), tables)
	}
	for _, n := range []txn.Run{run, run + 1} {
		fill(t, r, n)
	}
	must(t, r.RemoveRun(ctx, run))
	for _, table := range tables {
		if got := value(t, name, "select array_agg(distinct run)::text from pgrpo."+table); got != "{1795194122}" {
			t.Errorf("table %s holds runs %s, want only the other one", table, got)
		}
	}
}

// fill puts at least one row into every table.
func fill(t *testing.T, r *repo.Repo, n txn.Run) {
	t.Helper()
	ctx := t.Context()
	driver, workers, err := r.ClaimDriver(ctx, n, repo.Claim{Host: "here", Pid: 1, Shards: 1, Workers: 1})
	must(t, err)
	must(t, r.Ship(ctx, repo.Shipment{Header: header(n, driver), Source: sliced(everything(workers[0]))}))
	must(t, r.SaveBranches(ctx, n, pg.Branches{{ID: 1, System: 5, Timeline: 1}}))
	s := r.Stream(n, "slot")
	_, err = s.Load(ctx)
	must(t, err)
	must(t, s.Save(ctx, []txn.Commit{commit(n, 0, 1, 100)}, []txn.Change{{ID: txn.ID{Run: n, Seq: 1}, LSN: 100, Kind: txn.Insert}}, repo.Progress{End: 110}))
	must(t, s.AddGap(ctx, txn.Gap{Branch: 1, From: 5, To: 9, Reason: "slot missing"}))
	must(t, r.AddEvent(ctx, n, repo.Event{At: time.Unix(1, 0), Kind: "started"}))
	must(t, r.AddSlots(ctx, n, repo.SlotRow{At: time.Unix(1, 0), Node: "a", Name: "slot"}))
	must(t, r.AddSamples(ctx, n, repo.Sample{At: time.Unix(1, 0), Took: time.Millisecond, Node: "a"}))
	must(t, r.SaveReport(ctx, n, []byte(`{}`), findings(repo.Finding{Class: "hole"})))
}

func TestClaimDriver(t *testing.T) {
	ctx := t.Context()
	r, _ := fresh(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	drivers := map[txn.Driver]bool{}
	workers := map[txn.Worker]int{}
	for range 3 {
		for shard := range 2 {
			wg.Go(func() {
				d, ws, err := r.ClaimDriver(ctx, run, repo.Claim{Host: "here", Pid: 7, Shard: shard, Shards: 2, Workers: 3})
				mu.Lock()
				defer mu.Unlock()
				if err != nil || drivers[d] || d < 1 {
					t.Errorf("driver %d: %v", d, err)
				}
				drivers[d] = true
				for _, w := range ws {
					if int(w)%2 != shard {
						t.Errorf("worker %d is not of shard %d", w, shard)
					}
					workers[w]++
				}
			})
		}
	}
	wg.Wait()
	for w := range txn.Worker(18) {
		if workers[w] != 1 {
			t.Errorf("worker %d was given out %d times", w, workers[w])
		}
	}
	reserves, err := r.Reserves(ctx, run)
	must(t, err)
	if len(reserves) != 18 {
		t.Errorf("%d workers are known, want 18", len(reserves))
	}
	if _, _, err := r.ClaimDriver(ctx, 5, repo.Claim{Shards: 1, Workers: 1}); !errors.Is(err, repo.ErrNoRun) {
		t.Errorf("an unknown run: %v, want ErrNoRun", err)
	}
	if _, _, err := r.ClaimDriver(ctx, run, repo.Claim{Shard: 1, Shards: 1, Workers: 1}); err == nil {
		t.Error("shard 1 of 1 was accepted")
	}
}
