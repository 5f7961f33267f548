package run

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/writer"
)

// Workers that wait for the repo are never more than one attempt ahead of it,
// stand still while it is away, and go on when it is back.
func TestWorkersInStepWithTheRepo(t *testing.T) {
	t.Parallel()
	tr := newOrdeal(t)
	tr.database = "postgres"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const run txn.Run = 77
	workers := []txn.Worker{0, 1}
	target, err := node.Parse(tr.primary.DSN("postgres"))
	tr.must(err)
	conn, err := node.Connect(ctx, target, "test")
	tr.must(err)
	defer node.Close(conn)
	_, err = node.Init(ctx, conn, workers)
	tr.must(err)
	r, err := repo.Open(ctx, tr.repo.DSN(tr.database))
	tr.must(err)
	defer r.Close()
	mix := plan.Mix{Insert: 100, MaxOps: 2, PayloadBytes: 20}
	tr.must(r.AddRun(ctx, repo.RunRow{Run: run, Mix: mix, StartedAt: time.Now(), Version: "test"}))
	header := journal.Header{Run: run, Started: time.Now()}
	header.Driver, workers, err = r.ClaimDriver(ctx, run, repo.Claim{Host: "here", Pid: 7, Shards: 1, Workers: len(workers)})
	tr.must(err)
	j, err := journal.Create(filepath.Join(t.TempDir(), "journal"), header)
	tr.must(err)

	receipts := writer.NewReceipts(workers)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		err := r.Ship(ctx, repo.Shipment{Header: header, Source: j.Follow, Stored: receipts.Stored, Every: 5 * time.Millisecond, Part: time.Millisecond})
		if err != nil {
			t.Error(err)
		}
	})
	writing, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() {
		err := writer.Run(writing, writer.Config{
			Target: target, Run: run, Mix: mix, Workers: workers, ConnectTimeout: 2 * time.Second, StatementTimeout: 5 * time.Second,
			Journal: j, Receipts: receipts,
		})
		if err != nil {
			t.Error(err)
		}
		if err := j.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	// The greatest seqs on the primary, and after that those in the repo.
	seqs := func(sql string) (all [2]int) {
		t.Helper()
		v, in := tr.primary, "pgrpo.marker"
		if sql == "shipped" {
			v, in = tr.repo, "pgrpo.worker"
		}
		text := tr.value(v, "postgres", fmt.Sprintf(
			"select coalesce(max(%[1]s) filter (where worker = 0), 0) || ' ' || coalesce(max(%[1]s) filter (where worker = 1), 0) from %[2]s where run = %[3]d", sql, in, run))
		_, err := fmt.Sscan(text, &all[0], &all[1])
		tr.must(err)
		return all
	}
	total := func(all [2]int) int { return all[0] + all[1] }
	looks := 0
	advance := func(by int) {
		t.Helper()
		for from := total(seqs("seq")); total(seqs("seq")) < from+by; looks++ {
			sent := seqs("seq")
			stored := seqs("shipped")
			for w := range sent {
				if stored[w] < sent[w]-1 {
					t.Fatalf("worker %d has sent %d, and %d are in the repo", w, sent[w], stored[w])
				}
			}
			tr.must(within(ctx, time.Millisecond))
		}
	}
	begun := time.Now()
	advance(100)
	rate := 100 / time.Since(begun).Seconds()
	tr.must(tr.repo.Kill())
	// One attempt may be under way, or the receipt of the last one may have
	// come just before the repo went: no worker takes a second.
	still := seqs("seq")
	tr.must(within(ctx, 2*time.Second))
	for w, now := range seqs("seq") {
		if now > still[w]+1 {
			t.Errorf("worker %d went on from %d to %d while the repo was away", w, still[w], now)
		}
	}
	tr.must(tr.repo.Start(ctx))
	advance(50)
	stop()
	group.Wait()
	if stored := tr.value(tr.repo, "postgres", "select count(*) from pgrpo.entry"); stored != strconv.Itoa(total(seqs("seq"))) {
		t.Errorf("%s entries in the repo, %v on the primary", stored, seqs("seq"))
	}
	t.Logf("%d looks, %.0f attempts/s", looks, rate)
}
