package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

// trial is one run of a scenario, judged, with its servers still there.
type trial struct {
	cluster  *scenario.Cluster
	evidence *run.Evidence
	report   report.Report
}

// play runs a scenario with a seed, which also shapes the load.
func play(t *testing.T, s scenario.Scenario, seed uint64) *trial {
	t.Helper()
	ctx := t.Context()
	box := sandboxtest.Open(t)
	cluster, err := scenario.Build(ctx, box, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	tell := func(what string) { log.Info(what) }
	shape := shapeOf(seed)
	log.Info(fmt.Sprintf("shape %+v", shape))
	config := load(t, box, cluster.DSN())
	config.Mix, config.Seed, config.Workers, config.Rate = shape.mix, seed, shape.workers, shape.rate
	config.Warmup, config.Duration, config.Log = shape.warmup, shape.warmup+2*time.Second, log
	config.Fault = func(ctx context.Context) error { return cause(ctx, cluster, shape.unsafe, tell) }
	tr := judge(t, config)
	tr.cluster = cluster
	return tr
}

// cause causes the scenario's fault under a load. What is to lose something takes
// some transactions first that will be lost; all are to be survived by some.
func cause(ctx context.Context, c *scenario.Cluster, unsafe time.Duration, tell func(string)) error {
	survivor, loses := c.Standby, false
	switch c.Scenario {
	case scenario.LossyFailover:
		loses = true
	case scenario.AsyncCommitCrash:
		survivor, loses = c.Primary, true
	case scenario.CrashRestart:
		survivor = c.Primary
	}
	var taken error
	deeds := 0
	err := c.Fault(ctx, scenario.Timing{Unsafe: unsafe}, func(what string) {
		tell(what)
		// The second deed, of which this is told before it is done, is the kill.
		if deeds++; deeds == 2 && loses {
			taken = takes(c.Primary)(ctx)
		}
	})
	if err := errors.Join(taken, err); err != nil {
		return err
	}
	return takes(survivor)(ctx)
}

// load is a short load of the servers that dsn names, with a repo of its own.
func load(t *testing.T, box *sandbox.Sandbox, dsn string) run.Config {
	t.Helper()
	repo, err := box.Primary(t.Context(), "repo", nil)
	if err != nil {
		t.Fatal(err)
	}
	target, err := node.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return run.Config{
		Primary: target, Repo: repo.DSN("postgres"), RunDir: t.TempDir(),
		Mix: plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 2, PayloadBytes: 40}, Seed: 1,
		Workers: 4, Rate: 500, Warmup: 500 * time.Millisecond, Duration: 500 * time.Millisecond,
		ConnectTimeout: 5 * time.Second, StatementTimeout: 5 * time.Second, CaptureTimeout: time.Minute,
		Leftovers: run.KeepLeftovers, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// judge runs a load through its fault and judges it.
func judge(t *testing.T, c run.Config) *trial {
	t.Helper()
	e, err := run.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r, err := verdict.Reach(t.Context(), e, compare.Case{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Text(report.Plain))
	return &trial{evidence: e, report: r}
}

type attempts map[txn.ID]bool

// markers asks a server by plain SQL for the attempts of the run whose markers
// it has.
func (tr *trial) markers(t *testing.T, v *sandbox.Server) attempts {
	t.Helper()
	text, err := v.Value(t.Context(), fmt.Sprintf(
		"select coalesce(string_agg(worker || ' ' || seq, ','), '') from pgrpo.marker where run = %d and worker >= 0", tr.evidence.Record.Run))
	if err != nil {
		t.Fatal(err)
	}
	found := attempts{}
	for field := range strings.SplitSeq(text, ",") {
		if field == "" {
			continue
		}
		id := txn.ID{Run: tr.evidence.Record.Run}
		if _, err := fmt.Sscanf(field, "%d %d", &id.Worker, &id.Seq); err != nil {
			t.Fatalf("marker %q: %v", field, err)
		}
		found[id] = true
	}
	return found
}

// entries returns the whole ledger.
func (tr *trial) entries(t *testing.T) map[txn.ID]txn.Entry {
	t.Helper()
	found := map[txn.ID]txn.Entry{}
	for _, w := range tr.evidence.Record.Workers {
		for block, err := range tr.evidence.Repo.Entries(t.Context(), tr.evidence.Record.Run, w) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range block.Len() {
				var e txn.Entry
				if err := e.Decode(block.Raw[i*txn.EntryBytes:]); err != nil {
					t.Fatal(err)
				}
				found[txn.ID{Run: tr.evidence.Record.Run, Worker: w, Seq: block.First + txn.Seq(i)}] = e
			}
		}
	}
	return found
}

// ledger returns the attempts with one of these outcomes.
func (tr *trial) ledger(t *testing.T, want ...txn.Outcome) attempts {
	t.Helper()
	found := attempts{}
	for id, e := range tr.entries(t) {
		if slices.Contains(want, e.Outcome) {
			found[id] = true
		}
	}
	return found
}

// findings returns the attempts of these classes as the repo keeps them.
func (tr *trial) findings(t *testing.T, classes ...compare.Class) attempts {
	t.Helper()
	found := attempts{}
	for f, err := range tr.evidence.Repo.Findings(t.Context(), tr.evidence.Record.Run) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range classes {
			if f.Class == c.String() {
				found[txn.ID{Run: tr.evidence.Record.Run, Worker: f.Worker, Seq: f.Seq}] = true
			}
		}
	}
	return found
}

func (a attempts) minus(b attempts) attempts {
	rest := maps.Clone(a)
	for id := range b {
		delete(rest, id)
	}
	return rest
}

func (a attempts) list() []txn.ID {
	return slices.SortedFunc(maps.Keys(a), func(x, y txn.ID) int {
		if x.Worker != y.Worker {
			return int(x.Worker - y.Worker)
		}
		return int(x.Seq - y.Seq)
	})
}

// breaking lists the classes that made the run breached.
func (tr *trial) breaking() []string {
	var classes []string
	for _, f := range tr.report.Findings {
		if f.Breaks {
			classes = append(classes, f.Class)
		}
	}
	return classes
}

// The dead primary, started alone, says what was really lost: what it has and
// the survivor has not is what the report calls lost, attempt by attempt, and
// what the client was never told of.
func TestLossyFailoverEqualsGroundTruth(t *testing.T) {
	for _, seed := range rounds(t) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			tr := play(t, scenario.LossyFailover, seed)
			if err := tr.cluster.Primary.StartAlone(t.Context()); err != nil {
				t.Fatal(err)
			}
			tr.equals(t, tr.markers(t, tr.cluster.Primary), tr.markers(t, tr.cluster.Standby))
			tr.isWhole(t)
		})
	}
}

// equals holds a breached report against what a dead server has and what the
// survivor has, and returns the lost attempts. More are the classes that break
// beside that of the lost.
func (tr *trial) equals(t *testing.T, dead, survivor attempts, more ...string) attempts {
	t.Helper()
	truth := dead.minus(survivor)
	lost := tr.findings(t, compare.LostTransaction, compare.LostUnreplicated)
	if len(lost) == 0 {
		t.Error("nothing was lost")
	}
	if wrong := lost.minus(truth); len(wrong) > 0 {
		t.Errorf("called lost, but the dead server never had them or the survivor has them: %v", wrong.list())
	}
	if missed := truth.minus(lost).minus(tr.ledger(t, txn.InDoubt)); len(missed) > 0 {
		t.Errorf("lost, and not said: %v", missed.list())
	}
	if failed := tr.ledger(t, txn.Failed); len(truth.minus(truth.minus(failed))) > 0 {
		t.Error("an attempt that failed is on the dead server")
	}
	tr.saysLost(t, survivor, more...)
	return lost
}

// saysLost holds a breached report against what the clients were promised and
// what the survivor has.
func (tr *trial) saysLost(t *testing.T, survivor attempts, more ...string) {
	t.Helper()
	lost := tr.findings(t, compare.LostTransaction, compare.LostUnreplicated)
	acked := tr.ledger(t, txn.Acked, txn.AckedUnreplicated)
	if gone := acked.minus(survivor); len(gone.minus(lost)) > 0 || len(lost.minus(gone)) > 0 || len(lost) == 0 {
		t.Errorf("acked and absent on the survivor: %d; said: %d", len(gone), len(lost))
	}
	if tr.report.Judged() != compare.Breached || !tr.report.Witnesses.Agree || tr.report.RPO.Transactions != int64(len(lost)) {
		t.Errorf("verdict %s, witnesses %+v, %d lost of %d", tr.report.Verdict, tr.report.Witnesses, tr.report.RPO.Transactions, len(lost))
	}
	if got := tr.breaking(); !slices.Equal(got, append([]string{"lost_transaction"}, more...)) {
		t.Errorf("classes that break: %v", got)
	}
}

// Where nothing is lost, nothing is found.
func TestNothingLost(t *testing.T) {
	for _, s := range []scenario.Scenario{scenario.CleanSwitchover, scenario.CrashRestart, scenario.SyncFailover} {
		for _, seed := range rounds(t) {
			t.Run(fmt.Sprintf("%s/seed%d", s, seed), func(t *testing.T) {
				tr := play(t, s, seed)
				if tr.report.Judged() != compare.Met || tr.report.RPO.Transactions != 0 {
					body, _ := json.MarshalIndent(tr.report, "", " ")
					t.Errorf("verdict %s: %v\n%s", tr.report.Verdict, tr.report.Reasons, body)
				}
				if got := tr.breaking(); len(got) > 0 {
					t.Errorf("classes that break: %v", got)
				}
				tr.isWhole(t)
				if tr.report.Run.FaultsSeen == 0 {
					t.Error("the fault was not seen")
				}
				server := tr.cluster.Standby
				if s == scenario.CrashRestart {
					server = tr.cluster.Primary
				}
				acked := tr.ledger(t, txn.Acked, txn.AckedUnreplicated)
				if gone := acked.minus(tr.markers(t, server)); len(gone) > 0 {
					t.Errorf("acked and absent by plain SQL: %v", gone.list())
				}
			})
		}
	}
}
