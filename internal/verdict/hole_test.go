package verdict_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// loadOfBlocks loads until each of two workers has three blocks in the repo.
func loadOfBlocks(t *testing.T, c run.Config, stored node.Target) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c.Fault = func(ctx context.Context) error {
		err := untilHolds(ctx, stored, "select count(*) = 2 from (select from pgrpo.ledger group by worker having count(*) > 2) as w")
		cancel()
		return err
	}
	e, err := run.Do(ctx, c)
	if err == nil {
		err = e.Close(context.WithoutCancel(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A hole in one worker's ledger leaves what follows it in that ledger unproven,
// and nothing else: what another worker lost is a loss.
func TestHoleInOneLedger(t *testing.T) {
	c := config(t)
	c.Workers, c.Rate = 2, 200
	stored, err := node.Parse(c.Repo)
	if err != nil {
		t.Fatal(err)
	}
	loadOfBlocks(t, c, stored)
	judge := func() (compare.Verdict, int64, int64, []string) {
		t.Helper()
		e, err := run.Finish(t.Context(), c, run.Place{Dir: elsewhere(t, c).Dir})
		if err != nil {
			t.Fatal(err)
		}
		g, err := verdict.Gather(t.Context(), e)
		if holes := len(e.Account.Holes); (err == nil) != (holes == 0) {
			t.Errorf("with %d holes all is gathered: %v", holes, err)
		}
		if err == nil {
			g.Close()
		}
		r, err := verdict.Reach(t.Context(), e, compare.Case{Expect: compare.ExpectNone})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return r.Judged(), r.Attempts.Acked, r.RPO.Transactions, r.Reasons
	}
	whole, acked, _, reasons := judge()
	if whole != compare.Met || acked == 0 {
		t.Fatalf("verdict %v of %d acks: %q", whole, acked, reasons)
	}
	ask(t, stored, "delete from pgrpo.ledger l where worker = 0 and seq = (select seq from pgrpo.ledger where worker = 0 order by seq offset 1 limit 1)")
	told := func(why string) bool { return strings.Contains(why, "the account of worker 0 has a hole after seq ") }
	v, some, lost, reasons := judge()
	if v != compare.Inconclusive || some == 0 || some >= acked || lost != 0 || !slices.ContainsFunc(reasons, told) {
		t.Errorf("with a hole: verdict %v of %d of %d acks, %d lost: %q", v, some, acked, lost, reasons)
	}
	ask(t, c.Primary, "delete from pgrpo.marker where worker = 1 and seq = 2")
	if v, _, lost, reasons = judge(); v != compare.Breached || lost != 1 || !slices.ContainsFunc(reasons, told) {
		t.Errorf("with a hole and a loss elsewhere: verdict %v, %d lost: %q", v, lost, reasons)
	}
}

// ask has a server do what the question says.
func ask(t *testing.T, on node.Target, sql string) {
	t.Helper()
	conn, err := node.Connect(t.Context(), on, "verdict test")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(conn)
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}
