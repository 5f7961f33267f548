package capture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var runs atomic.Int32

// trial is one run on servers of its own.
type trial struct {
	t       testing.TB
	ctx     context.Context
	run     txn.Run
	workers []txn.Worker
	// target is where the stream is read, writers the way of those who write;
	// zero if it is the same.
	target, writers node.Target
	repo            *repo.Repo
	store           *faulty
	// maxRetained is the bound of the slot.
	maxRetained int64
	// acked counts the transactions that were acked.
	acked atomic.Int64
}

// longEnough is far more than what is waited for takes on a machine that is busy.
const longEnough = time.Minute

// newTrial prepares a run on the primary; the writers' endpoint is dsn.
func newTrial(t testing.TB, primary *sandbox.Server, dsn string) *trial {
	t.Helper()
	noLeaks(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	tr := &trial{t: t, ctx: ctx, run: txn.Run(1000 + runs.Add(1)), workers: []txn.Worker{0, 1, 2}}
	var err error
	tr.target, err = node.Parse(dsn)
	tr.must(err)
	conn := tr.connect(primary)
	defer node.Close(conn)
	_, err = node.Init(ctx, conn, tr.workers)
	tr.must(err)
	tr.must(node.CreatePublication(ctx, conn, tr.run, tr.workers))
	tr.repo, err = repo.Open(ctx, repoServer.DSN("postgres"))
	tr.must(err)
	t.Cleanup(tr.repo.Close)
	tr.must(tr.repo.AddRun(ctx, repo.RunRow{Run: tr.run, Mix: plan.Mix{Insert: 100, MaxOps: 1}, StartedAt: time.Now(), Version: "test"}))
	tr.store = &faulty{Store: InRepo(tr.repo, tr.run, tr.slot())}
	return tr
}

func (tr *trial) slot() string { return node.NameOf(tr.run) }

func (tr *trial) must(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *trial) connect(v *sandbox.Server) *pgconn.PgConn {
	tr.t.Helper()
	target, err := node.Parse(v.DSN("postgres"))
	tr.must(err)
	conn, err := node.Connect(tr.ctx, target, "test")
	tr.must(err)
	return conn
}

// running is a capture under way.
type running struct {
	*Capture
	stop context.CancelFunc
	done chan error
}

func (tr *trial) capture() *running { return tr.captureWith(nil) }

func (tr *trial) captureWith(o Observer) *running {
	ctx, stop := context.WithCancel(tr.ctx)
	r := &running{stop: stop, done: make(chan error, 1), Capture: New(tr.config(o))}
	go func() { r.done <- r.Run(ctx) }()
	return r
}

func (tr *trial) config(o Observer) Config {
	return Config{
		Target: tr.target, Writers: tr.writers, Run: tr.run, Slot: tr.slot(), Workers: tr.workers,
		Store: tr.store, Observer: o, MaxRetained: tr.maxRetained,
	}
}

// halt ends the capture and waits for it.
func (r *running) halt(t testing.TB) {
	t.Helper()
	r.stop()
	if err := <-r.done; !errors.Is(err, context.Canceled) {
		t.Errorf("capture ended with %v", err)
	}
}

func (r *running) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-r.Ready():
	case err := <-r.done:
		t.Fatalf("capture ended before it was ready: %v", err)
	case <-time.After(longEnough):
		t.Fatal("capture is not ready")
	}
}

// load writes with all workers, through whatever faults, until the returned
// function is called.
func (tr *trial) load(v *sandbox.Server, from txn.Seq) (stop func()) {
	ctx, cancel := context.WithCancel(tr.ctx)
	var group sync.WaitGroup
	for _, w := range tr.workers {
		group.Go(func() { tr.write(ctx, v, w, from) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// write is one worker: rows are inserted, then updated, then deleted. An attempt
// under way is finished, so that none commits later.
func (tr *trial) write(ctx context.Context, v *sandbox.Server, w txn.Worker, seq txn.Seq) {
	target, err := node.Parse(v.DSN("postgres"))
	if err != nil {
		tr.t.Error(err)
		return
	}
	var live []txn.RowID
	for ctx.Err() == nil {
		conn, err := node.Connect(ctx, target, "test writer")
		if err != nil {
			continue
		}
		live = nil
		for ctx.Err() == nil {
			sql, next := transaction(txn.ID{Run: tr.run, Worker: w, Seq: seq}, live)
			seq++
			if _, err := conn.Exec(tr.ctx, sql).ReadAll(); err != nil {
				break
			}
			live = next
			tr.acked.Add(1)
		}
		node.Close(conn)
	}
}

// transaction is one attempt as SQL: an insert, an update of the row before it
// and a delete of the one before that, if they are there.
func transaction(id txn.ID, live []txn.RowID) (string, []txn.RowID) {
	row := txn.RowID(id.Seq)
	kinds := map[txn.RowID]txn.Kind{row: txn.Insert}
	var b strings.Builder
	payload := func(r txn.RowID) string { return string(txn.AppendPayload(nil, 1, id, r, 32)) }
	table := "pgrpo." + txn.TableOf(id.Worker)
	fmt.Fprintf(&b, "insert into %s (id, seq, run, crc, payload) values (%d, %d, %d, %d, '%s');",
		table, row, id.Seq, id.Run, txn.SumOf(id, row, txn.Insert, []byte(payload(row))), payload(row))
	next := append([]txn.RowID{row}, live...)
	if len(live) > 0 {
		kinds[live[0]] = txn.Update
		fmt.Fprintf(&b, "update %s set seq = %d, crc = %d, payload = '%s' where run = %d and id = %d;",
			table, id.Seq, txn.SumOf(id, live[0], txn.Update, []byte(payload(live[0]))), payload(live[0]), id.Run, live[0])
	}
	if len(live) > 1 {
		kinds[live[1]] = txn.Delete
		fmt.Fprintf(&b, "delete from %s where run = %d and id = %d;", table, id.Run, live[1])
		next = next[:2]
	}
	var sum txn.Sum
	for r, kind := range kinds {
		p := []byte(payload(r))
		if kind == txn.Delete {
			p = nil
		}
		sum ^= txn.SumOf(id, r, kind, p)
	}
	return fmt.Sprintf("begin; insert into pgrpo.marker (seq, run, worker, ops, crc) values (%d, %d, %d, %d, %d); %s commit",
		id.Seq, id.Run, id.Worker, len(kinds), sum, b.String()), next
}

// finish commits the end transaction on the server, and waits until the capture
// has it.
func (tr *trial) finish(r *running, v *sandbox.Server) {
	tr.t.Helper()
	conn := tr.connect(v)
	defer node.Close(conn)
	id, err := node.Identify(tr.ctx, conn)
	tr.must(err)
	s := txn.Sentinel{Number: 1}
	for i := range s.Nonce {
		s.Nonce[i] = byte(rand.Uint32())
	}
	r.Expect(s)
	tr.must(node.End(tr.ctx, conn, tr.run, tr.workers, s, node.Server{Timeline: id.Timeline, Start: id.Start}))
	select {
	case err := <-r.done:
		tr.must(err)
	case <-time.After(longEnough):
		r.stop()
		tr.t.Fatalf("the end was not heard: %v", <-r.done)
	}
	r.stop()
	select {
	case <-r.Ended():
	default:
		tr.t.Error("Run returned nil before the end")
	}
}

// captured reads what the repo has.
func (tr *trial) captured() map[txn.ID][]txn.Commit {
	tr.t.Helper()
	got := make(map[txn.ID][]txn.Commit)
	for _, w := range append([]txn.Worker{txn.SentinelWorker}, tr.workers...) {
		for c, err := range tr.repo.Commits(tr.ctx, tr.run, w) {
			tr.must(err)
			got[c.ID] = append(got[c.ID], c)
		}
	}
	return got
}

// markers reads what survived on the server.
func (tr *trial) markers(v *sandbox.Server) map[txn.ID]txn.Marker {
	tr.t.Helper()
	conn := tr.connect(v)
	defer node.Close(conn)
	results, err := conn.Exec(tr.ctx, fmt.Sprintf("select worker, seq, ops, crc from pgrpo.marker where run = %d", tr.run)).ReadAll()
	tr.must(err)
	all := make(map[txn.ID]txn.Marker)
	for _, row := range results[0].Rows {
		m := txn.Marker{ID: txn.ID{Run: tr.run}}
		_, err := fmt.Sscan(fmt.Sprintf("%s %s %s %s", row[0], row[1], row[2], row[3]), &m.Worker, &m.Seq, &m.Ops, &m.Sum)
		tr.must(err)
		all[m.ID] = m
	}
	return all
}

// whole fails unless each marker was captured once, with all that it promises,
// and each captured change belongs to one of the captured commits.
func (tr *trial) whole(markers map[txn.ID]txn.Marker, got map[txn.ID][]txn.Commit) {
	tr.t.Helper()
	for id, m := range markers {
		switch cs := got[id]; {
		case len(cs) != 1:
			tr.t.Errorf("%v was captured %d times", id, len(cs))
		case cs[0].Ops != m.Ops || cs[0].Seen != m.Ops || cs[0].Sum != m.Sum || cs[0].SeenSum != m.Sum || cs[0].End <= cs[0].LSN:
			tr.t.Errorf("%v: marker %+v, captured %+v", id, m, cs[0])
		}
	}
	var promised int
	for _, cs := range got {
		for _, c := range cs {
			promised += int(c.Ops)
		}
	}
	var stored int
	text, err := repoServer.Value(tr.ctx, fmt.Sprintf("select count(*) from pgrpo.change where run = %d", tr.run))
	tr.must(err)
	_, err = fmt.Sscan(text, &stored)
	tr.must(err)
	if stored != promised {
		tr.t.Errorf("%d changes stored, %d promised", stored, promised)
	}
}

// exactly fails unless the capture holds what the server holds, and no gap.
func (tr *trial) exactly(v *sandbox.Server) {
	tr.t.Helper()
	markers, got := tr.markers(v), tr.captured()
	tr.whole(markers, got)
	for id := range got {
		if _, there := markers[id]; !there {
			tr.t.Errorf("%v was captured and is not there", id)
		}
	}
	gaps, err := tr.repo.Gaps(tr.ctx, tr.run)
	tr.must(err)
	if len(gaps) > 0 {
		tr.t.Errorf("gaps: %+v", gaps)
	}
	if acked := int(tr.acked.Load()); acked == 0 || len(markers) < acked {
		tr.t.Errorf("%d acked, %d markers", acked, len(markers))
	}
	tr.t.Logf("%d transactions captured", len(got))
}

// until polls until the condition holds.
func (tr *trial) until(what string, holds func() bool) {
	tr.t.Helper()
	for !holds() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-tr.ctx.Done():
			tr.t.Fatalf("%s: %v", what, tr.ctx.Err())
		}
	}
}

// reach waits until the capture has stored n commits since it began.
func (tr *trial) reach(r *running, n int64) {
	tr.t.Helper()
	tr.until("wait for commits", func() bool { return r.Counters().Commits.Load() >= n })
}

// pass waits until the capture has stored n more commits.
func (tr *trial) pass(r *running, n int64) {
	tr.t.Helper()
	from := r.Counters().Commits.Load()
	tr.until("wait for commits", func() bool { return r.Counters().Commits.Load() >= from+n })
}

// slotUser is the pid of the walsender that reads the slot, empty for none.
func (tr *trial) slotUser(v *sandbox.Server) string {
	tr.t.Helper()
	pid, err := v.Value(tr.ctx, fmt.Sprintf("select coalesce(max(active_pid)::text, '') from pg_replication_slots where slot_name = '%s'", tr.slot()))
	tr.must(err)
	return pid
}

// lsnOf asks a server for a position.
func (tr *trial) lsnOf(v *sandbox.Server, sql string) pg.LSN {
	tr.t.Helper()
	text, err := v.Value(tr.ctx, sql)
	tr.must(err)
	lsn, err := pg.ParseLSN(text)
	tr.must(err)
	return lsn
}
