package gather_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/explain/gather"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/scenario"
	"github.com/pgrpo/pgrpo/internal/txn"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lossy is a judged run over a failover that lost something; its dead primary is
// as it was killed.
type lossy struct {
	cluster *scenario.Cluster
	config  run.Config
	place   run.Place
	run     txn.Run
	report  report.Report
	entries map[txn.ID]txn.Entry
	lost    map[txn.ID]compare.Finding
	commits map[txn.ID][]txn.Commit
}

// play plays it: replication stops, more is acked, the primary is killed, the
// standby promoted, and acks again.
func play(t *testing.T) lossy {
	t.Helper()
	ctx := t.Context()
	box := sandboxtest.Open(t)
	cluster, err := scenario.Build(ctx, box, scenario.LossyFailover)
	check(t, err)
	t.Cleanup(func() { check(t, cluster.Close()) })
	repo, err := box.Primary(ctx, "repo", nil)
	check(t, err)
	target, err := node.Parse(cluster.DSN())
	check(t, err)
	c := run.Config{
		Primary: target, Repo: repo.DSN("postgres"), RunDir: t.TempDir(), Seed: 7, Workers: 3,
		Mix:    plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 40},
		Warmup: 500 * time.Millisecond, Duration: time.Second, CaptureTimeout: time.Minute,
		ConnectTimeout: 5 * time.Second, StatementTimeout: 5 * time.Second,
		Leftovers: run.KeepLeftovers, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	c.Fault = func(ctx context.Context) error {
		cluster.Link.Freeze()
		if err := grows(ctx, cluster.Primary, 100); err != nil {
			return err
		}
		if err := killWaiting(ctx, cluster.Primary, c.Workers); err != nil {
			return err
		}
		cluster.Link.Sever()
		if err := cluster.Standby.Promote(ctx); err != nil {
			return err
		}
		if err := grows(ctx, cluster.Standby, 100); err != nil {
			return err
		}
		if err := heard(ctx, cluster.Standby); err != nil {
			return err
		}
		return grows(ctx, cluster.Standby, 50)
	}
	e, err := run.Do(ctx, c)
	check(t, err)
	r, err := verdict.Reach(ctx, e, compare.Case{})
	check(t, err)
	t.Log("\n" + r.Text(report.Plain))
	l := lossy{
		cluster: cluster, config: c, place: e.Place, run: e.Record.Run, report: r,
		entries: map[txn.ID]txn.Entry{}, lost: map[txn.ID]compare.Finding{}, commits: map[txn.ID][]txn.Commit{},
	}
	l.read(t, e)
	check(t, e.Close(context.WithoutCancel(ctx)))
	if len(l.lost) == 0 {
		t.Fatal("nothing was lost")
	}
	return l
}

// read keeps what the repo says of all attempts.
func (l lossy) read(t *testing.T, e *run.Evidence) {
	t.Helper()
	for _, w := range e.Record.Workers {
		for block, err := range e.Repo.Entries(t.Context(), l.run, w) {
			check(t, err)
			for i := range block.Len() {
				var entry txn.Entry
				check(t, entry.Decode(block.Raw[i*txn.EntryBytes:]))
				l.entries[txn.ID{Run: l.run, Worker: w, Seq: block.First + txn.Seq(i)}] = entry
			}
		}
		for c, err := range e.Repo.Commits(t.Context(), l.run, w) {
			check(t, err)
			l.commits[c.ID] = append(l.commits[c.ID], c)
		}
	}
	for f, err := range e.Repo.Findings(t.Context(), l.run) {
		check(t, err)
		if f.Class == compare.LostTransaction.String() {
			l.lost[txn.ID{Run: l.run, Worker: f.Worker, Seq: f.Seq}] = compare.Finding{}
		}
	}
}

// killWaiting kills a server while so many sessions wait for its answer: what they
// sent is in doubt.
func killWaiting(ctx context.Context, v *sandbox.Server, sessions int) error {
	target, err := node.Parse(v.DSN("postgres"))
	if err != nil {
		return err
	}
	conn, err := node.Connect(ctx, target, "explain test")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	if _, err := conn.Exec(ctx, "begin; lock table pgrpo.marker").ReadAll(); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		waiting, err := v.Value(ctx, "select count(*) from pg_locks where relation = 'pgrpo.marker'::regclass and not granted")
		if err != nil {
			return err
		}
		if waiting == strconv.Itoa(sessions) {
			return v.Kill()
		}
	}
	return errors.New("the load did not come to wait in time")
}

// grows waits until a server has so many markers more.
func grows(ctx context.Context, v *sandbox.Server, by int) error {
	first := -1
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := v.Value(ctx, "select count(*) from pgrpo.marker")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if first < 0 {
			first = n
		}
		if n >= first+by {
			return nil
		}
	}
	return errors.New("the load did not go on in time")
}

// heard waits until the stream is read from a server.
func heard(ctx context.Context, v *sandbox.Server) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		active, err := v.Value(ctx, "select count(*) from pg_replication_slots where slot_type = 'logical' and active")
		if err != nil || active != "0" {
			return err
		}
	}
	return errors.New("nobody reads the stream of the new primary in time")
}

// reopen opens the run again; the config names the nodes to ask.
func (l lossy) reopen(t *testing.T, c run.Config) *run.Evidence {
	t.Helper()
	e, err := run.Reopen(t.Context(), c, l.place)
	check(t, err)
	t.Cleanup(func() { check(t, e.Close(context.Background())) })
	return e
}

func source(t *testing.T, e *run.Evidence, d *gather.Directory) *gather.Source {
	t.Helper()
	s, err := gather.Open(t.Context(), e, d)
	check(t, err)
	return s
}

func (l lossy) directory(t *testing.T) *gather.Directory {
	t.Helper()
	d, err := gather.OpenDirectory(l.cluster.Primary.Dir())
	check(t, err)
	return d
}

// one is the first attempt for which the test holds.
func (l lossy) one(t *testing.T, what string, is func(txn.ID, txn.Entry) bool) txn.ID {
	t.Helper()
	var found txn.ID
	for id, e := range l.entries {
		if is(id, e) && (found.Seq == 0 || id.Seq > found.Seq) {
			found = id
		}
	}
	if found.Seq == 0 {
		t.Fatalf("no attempt is %s", what)
	}
	return found
}

// markerOn asks a server by plain SQL for one attempt.
func markerOn(t *testing.T, v *sandbox.Server, id txn.ID) bool {
	t.Helper()
	text, err := v.Value(t.Context(), fmt.Sprintf("select count(*) from pgrpo.marker where run = %d and worker = %d and seq = %d", id.Run, id.Worker, id.Seq))
	check(t, err)
	return text == "1"
}

// fork is where the standby's history says that it left timeline 1.
func (l lossy) fork(t *testing.T) pg.LSN {
	t.Helper()
	body, err := os.ReadFile(l.cluster.Standby.Dir() + "/pg_wal/00000002.history")
	check(t, err)
	h, err := pg.ParseHistory(string(body))
	check(t, err)
	return h[0].End
}
