package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// ordeal is a primary under load and a repo that something happens to.
type ordeal struct {
	t             *testing.T
	primary, repo *sandbox.Server
	// database is the repo's, addr where pgrpo reaches it.
	database, addr string
	relay          *relay.Relay
}

// senderPatience is the primary's wal_sender_timeout.
const senderPatience = 5 * time.Second

func newOrdeal(t *testing.T) *ordeal {
	t.Helper()
	box := sandboxtest.Open(t)
	start := func(name string, settings map[string]string) *sandbox.Server {
		v, err := box.Primary(t.Context(), name, settings)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tr := &ordeal{
		t:       t,
		primary: start("primary", map[string]string{"wal_sender_timeout": fmt.Sprintf("%dms", senderPatience.Milliseconds())}),
		repo:    start("repo", nil),
	}
	tr.addr = tr.repo.Addr()
	return tr
}

func (tr *ordeal) must(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *ordeal) value(v *sandbox.Server, database, sql string) string {
	tr.t.Helper()
	target, err := node.Parse(v.DSN(database))
	tr.must(err)
	conn, err := node.Connect(tr.t.Context(), target, "test")
	tr.must(err)
	defer node.Close(conn)
	results, err := conn.Exec(tr.t.Context(), sql).ReadAll()
	tr.must(err)
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// within lets d pass.
func within(ctx context.Context, d time.Duration) error {
	if !sleep(ctx, d) {
		return context.Cause(ctx)
	}
	return nil
}

// loaded lets d pass, and more if it must, until the load has gone on meanwhile.
func (tr *ordeal) loaded(ctx context.Context, d time.Duration) error {
	const some, patience = 200, 30 * time.Second
	markers := func() (n int, err error) {
		text, err := tr.primary.Value(ctx, "select count(*) from pgrpo.marker")
		if err == nil {
			_, err = fmt.Sscan(text, &n)
		}
		return n, err
	}
	begun := time.Now()
	before, err := markers()
	if err == nil {
		err = within(ctx, d)
	}
	for err == nil {
		var n int
		if n, err = markers(); err == nil && n >= before+some {
			return nil
		}
		if time.Since(begun) > d+patience {
			return fmt.Errorf("the load does not go on: %d transactions in %v", n-before, time.Since(begun))
		}
		err = errors.Join(err, within(ctx, 50*time.Millisecond))
	}
	return err
}

// frozen stops the repo's processes for d under the load.
func (tr *ordeal) frozen(ctx context.Context, d time.Duration) error {
	if err := tr.repo.Freeze(); err != nil {
		return err
	}
	return errors.Join(tr.loaded(ctx, d), tr.repo.Thaw())
}

// run is one run with the trouble under its load, from its first second or from
// its very start on.
func (tr *ordeal) run(warmup time.Duration, cause func(ctx context.Context) error) {
	t := tr.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	target, err := node.Parse(tr.primary.DSN("postgres"))
	tr.must(err)
	var during, calm span
	e, err := Do(ctx, Config{
		Primary: target, Repo: tr.repo.DSNAt(tr.addr, tr.database), RunDir: t.TempDir(), Workers: 4, Rate: 500,
		Mix:    plan.Mix{Insert: 60, Update: 30, Delete: 10, MaxOps: 3, PayloadBytes: 40},
		Warmup: warmup, Duration: warmup, Grace: 2 * time.Minute, Log: slog.New(slog.DiscardHandler), Version: "test",
		Fault: func(ctx context.Context) error {
			stop, err := tr.watch(ctx)
			if err != nil {
				return err
			}
			defer stop()
			during.from = time.Now()
			calm = span{during.from.Add(-time.Second), during.from}
			err = cause(ctx)
			during.to = time.Now()
			if err == nil && warmup < time.Second {
				// What was before is too short to compare with.
				err = within(ctx, time.Second)
				calm = span{during.to, time.Now()}
			}
			return err
		},
	})
	tr.must(err)
	defer func() { tr.must(e.Close(context.WithoutCancel(ctx))) }()
	if len(e.Problems) > 0 || e.NoSurvivor != nil || !e.Capture.Complete {
		t.Errorf("problems %q, survivor %v, capture %+v", e.Problems, e.NoSurvivor, e.Capture)
	}
	tr.account(e, during, calm)
	tr.stream(e)
	tr.told(e)
}

// told looks for the events of the stream, which people read of later.
func (tr *ordeal) told(e *Evidence) {
	tr.t.Helper()
	for _, kind := range []string{"connected", "sentinel"} {
		text := tr.value(tr.repo, tr.database, fmt.Sprintf("select coalesce(max(body ->> 'text'), '') from pgrpo.event where run = %d and kind = '%s'", e.Record.Run, kind))
		if text == "" {
			tr.t.Errorf("the repo has no event %s", kind)
		}
	}
}

// watch asks the primary over and over how the stream's reader is, and fails the
// test unless one and the same reader has been heard of within the server's
// patience at all times, by the server's own clock.
func (tr *ordeal) watch(ctx context.Context) (stop func(), err error) {
	target, err := node.Parse(tr.primary.DSN("postgres"))
	if err != nil {
		return nil, err
	}
	conn, err := node.Connect(ctx, target, "test")
	if err != nil {
		return nil, err
	}
	look := func() (reader string, age float64) {
		const readers = "select coalesce(string_agg(pid || ' ' || backend_start, ','), ''), coalesce(max(extract(epoch from clock_timestamp() - coalesce(reply_time, backend_start))), 0)" +
			" from pg_stat_replication where application_name like 'pgrpo/%/capture'"
		results, err := conn.Exec(context.WithoutCancel(ctx), readers).ReadAll()
		if err == nil {
			_, err = fmt.Sscan(string(results[0].Rows[0][1]), &age)
		}
		if err != nil {
			tr.t.Error(err)
			return "", 0
		}
		return string(results[0].Rows[0][0]), age
	}
	first, oldest := look()
	if first == "" {
		tr.t.Error("nobody reads the stream")
	}
	looks := 1
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for within(ctx, 50*time.Millisecond) == nil {
			reader, age := look()
			looks, oldest = looks+1, max(oldest, age)
			if reader != first {
				tr.t.Errorf("the stream's reader was %q and is %q", first, reader)
				return
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
		node.Close(conn)
		tr.t.Logf("%d looks, the oldest feedback of the stream was %.2f s old", looks, oldest)
		if oldest > senderPatience.Seconds() {
			tr.t.Errorf("the oldest feedback of the stream was %.2f s old, the server waits %v", oldest, senderPatience)
		}
	}, nil
}

// account compares the ledger in the repo with the journal, and the load's rate
// in the trouble with that of calm.
func (tr *ordeal) account(e *Evidence, during, calm span) {
	t := tr.t
	t.Helper()
	paths, err := e.Place.Journals()
	tr.must(err)
	if len(paths) != 1 {
		t.Fatalf("journals: %v", paths)
	}
	r, err := journal.Open(paths[0])
	tr.must(err)
	defer r.Close()
	h, _ := r.Header()
	journalled := map[string]int{}
	rate := func(s span, sent time.Duration) float64 {
		if at := h.Started.Add(sent); at.Before(s.from) || !at.Before(s.to) {
			return 0
		}
		return 1 / s.to.Sub(s.from).Seconds()
	}
	var inTrouble, inCalm float64
	for f, err := range r.Frames() {
		tr.must(err)
		entries, ok := f.Body.(journal.Entries)
		if !ok {
			continue
		}
		for raw := entries.Raw; len(raw) > 0; raw = raw[txn.EntryBytes:] {
			var one txn.Entry
			tr.must(one.Decode(raw[:txn.EntryBytes]))
			journalled[strings.ReplaceAll(one.Outcome.String(), "-", "_")]++
			inTrouble += rate(during, one.Sent)
			inCalm += rate(calm, one.Sent)
		}
	}
	stored := map[string]int{}
	text := tr.value(tr.repo, tr.database, fmt.Sprintf(
		"select coalesce(string_agg(outcome || ' ' || n || ' ' || d, ','), '') from (select outcome, count(*) n, count(distinct (worker, seq)) d from pgrpo.entry where run = %d group by 1) x", e.Record.Run))
	for part := range strings.SplitSeq(text, ",") {
		var outcome string
		var n, distinct int
		_, err := fmt.Sscan(part, &outcome, &n, &distinct)
		tr.must(err)
		if n != distinct {
			t.Errorf("ledger: %d entries %s, %d distinct", n, outcome, distinct)
		}
		stored[outcome] = n
	}
	if diff := cmp.Diff(journalled, stored); diff != "" || len(stored) == 0 {
		t.Errorf("journal and ledger differ: %s", diff)
	}
	t.Logf("ledger: %v; attempts/s: %.0f in trouble, %.0f in calm", stored, inTrouble, inCalm)
	// A short trouble on a busy machine says nothing of the rate.
	if inCalm == 0 || during.to.Sub(during.from) > time.Second && inTrouble < inCalm/10 {
		t.Errorf("attempts/s: %.0f in trouble, %.0f in calm", inTrouble, inCalm)
	}
}

// stream compares what was captured with what is on the primary.
func (tr *ordeal) stream(e *Evidence) {
	t := tr.t
	t.Helper()
	run := e.Record.Run
	markers := tr.value(tr.primary, "postgres", fmt.Sprintf(
		"select count(*) || ' transactions, ' || sum(ops) || ' changes' from pgrpo.marker where run = %d and worker >= 0", run))
	captured := func(count string) string {
		return tr.value(tr.repo, tr.database, fmt.Sprintf("select (select %[1]s from pgrpo.commit where run = %[2]d and worker >= 0) || ' transactions, ' ||"+
			" (select %[3]s from pgrpo.change where run = %[2]d and id > 0) || ' changes'",
			count, run, strings.Replace(count, "seq)", "seq, id)", 1)))
	}
	if all, distinct := captured("count(*)"), captured("count(distinct (worker, seq))"); all != markers || distinct != markers {
		t.Errorf("primary: %s; captured: %s, distinct %s", markers, all, distinct)
	}
	t.Log(markers)
	if gaps := tr.value(tr.repo, tr.database, fmt.Sprintf("select count(*) from pgrpo.gap where run = %d", run)); gaps != "0" {
		t.Errorf("%s gaps", gaps)
	}
}

// Whatever becomes of the repo under the load: the load goes on, the server
// hears of the stream's reader, and in the end each attempt is in the ledger
// once and each commit is captured once.
func TestRepoInTrouble(t *testing.T) {
	t.Parallel()
	shared := newOrdeal(t)
	for i, tc := range []struct {
		name   string
		warmup time.Duration
		cause  func(ctx context.Context, tr *ordeal) error
	}{
		{"down at the start", 0, downFor(2 * time.Second)},
		{"down in the middle", 1200 * time.Millisecond, downFor(3 * time.Second)},
		{"restarted", 1200 * time.Millisecond, func(ctx context.Context, tr *ordeal) error { return tr.repo.Restart(ctx) }},
		{"tables locked", 1200 * time.Millisecond, func(_ context.Context, tr *ordeal) error {
			tr.value(tr.repo, tr.database, "begin; lock table pgrpo.commit, pgrpo.ledger; select pg_sleep(2); commit")
			return nil
		}},
		{"does not answer", 1200 * time.Millisecond, func(ctx context.Context, tr *ordeal) error {
			return tr.frozen(ctx, 3*time.Second)
		}},
		{"replies lost", 1200 * time.Millisecond, func(ctx context.Context, tr *ordeal) error {
			for range 8 {
				select {
				case <-tr.relay.EatNext("COMMIT"):
				case <-time.After(10 * time.Second):
					return fmt.Errorf("no COMMIT came")
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			link, err := relay.Listen(t.Context(), shared.repo.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer link.Close()
			tr := *shared
			tr.t, tr.relay, tr.addr, tr.database = t, link, link.Addr(), fmt.Sprintf("trouble_%d", i)
			tr.must(tr.repo.Exec(t.Context(), "create database "+tr.database))
			tr.run(tc.warmup, func(ctx context.Context) error { return tc.cause(ctx, &tr) })
		})
	}
}

func downFor(d time.Duration) func(context.Context, *ordeal) error {
	return func(ctx context.Context, tr *ordeal) error {
		if err := tr.repo.Kill(); err != nil {
			return err
		}
		if err := tr.loaded(ctx, d); err != nil {
			return err
		}
		return tr.repo.Start(ctx)
	}
}

// logged tells whether the repo's server has logged the text.
func (tr *ordeal) logged(text string) bool {
	tr.t.Helper()
	log, err := os.ReadFile(tr.repo.LogFile())
	tr.must(err)
	return strings.Contains(string(log), text)
}
