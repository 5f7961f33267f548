package repo_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// loaded is a database whose run has far more than the sockets on the way hold:
// of worker 0 as many commits and blocks as that, and as many events and
// findings.
func loaded(t *testing.T) string {
	t.Helper()
	_, name := fresh(t)
	change(t, name, fmt.Sprintf(`
		insert into pgrpo.commit (seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch, slot)
		select i, '0/0'::pg_lsn + i * 100, '0/0'::pg_lsn + i * 100 + 8, now(), %d, 0, '7', 1, 1, 1, 1, 1, 1 from generate_series(1, 400000) i;
		insert into pgrpo.ledger (seq, run, worker, driver, n, entries)
		select 1 + 1024 * i, %[1]d, 0, 1, 1024, decode(repeat('00', 1024 * 44), 'hex') from generate_series(0, 999) i;
		insert into pgrpo.event (run, at, kind, body)
		select %[1]d, to_timestamp(i), 'e', to_jsonb(repeat(i::text, 4000)) from generate_series(10001, 12000) i`, run))
	return name
}

// reader is a stream of which only the number of its elements matters.
type reader func(context.Context) iter.Seq2[struct{}, error]

func readerOf[T any](open func(context.Context) iter.Seq2[T, error]) reader {
	return func(ctx context.Context) iter.Seq2[struct{}, error] {
		return func(yield func(struct{}, error) bool) {
			for _, err := range open(ctx) {
				if !yield(struct{}{}, err) {
					return
				}
			}
		}
	}
}

// long are the streams of which loaded has much.
func long(r *repo.Repo) map[string]reader {
	return map[string]reader{
		"entries": readerOf(func(ctx context.Context) iter.Seq2[repo.LedgerBlock, error] { return r.Entries(ctx, run, 0) }),
		"commits": readerOf(func(ctx context.Context) iter.Seq2[txn.Commit, error] { return r.Commits(ctx, run, 0) }),
		"events":  readerOf(func(ctx context.Context) iter.Seq2[repo.Event, error] { return r.Events(ctx, run) }),
	}
}

// behind is the repo through a relay.
func behind(t *testing.T, name string) (*repo.Repo, *relay.Relay) {
	t.Helper()
	link, err := relay.Listen(context.WithoutCancel(t.Context()), server.Addr())
	must(t, err)
	r := opened(t, dsn(t, name, "", link.Addr()))
	t.Cleanup(func() { link.Close() })
	return r, link
}

// count reads to the end, and gives the number of elements before an error.
func count(seq iter.Seq2[struct{}, error], first func()) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return n, err
		}
		if n++; n == 1 {
			first()
		}
	}
	return n, nil
}

// A repo that freezes ends a reading with an error, wherever it stands.
func TestFrozenRepoEndsReading(t *testing.T) {
	t.Parallel()
	name := loaded(t)
	all := map[string]int{"entries": 1000, "commits": 400_000, "events": 2000}
	for what, rows := range all {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, link := behind(t, name)
			r.SetWait(5 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			n, err := count(long(r)[what](ctx), link.Freeze)
			if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || n < 1 || n >= rows {
				t.Errorf("%d elements, then %v; the context: %v", n, err, ctx.Err())
			}
			// The next one does not get to its first element.
			if n, err := count(long(r)[what](ctx), func() {}); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || n != 0 {
				t.Errorf("%d elements, then %v; the context: %v", n, err, ctx.Err())
			}
		})
	}
}

// A frozen repo does not hold up a reader that has seen enough.
func TestFrozenRepoLetsAReaderGo(t *testing.T) {
	t.Parallel()
	r, link := behind(t, loaded(t))
	r.SetWait(5 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, err := range r.Commits(ctx, run, 0) {
		must(t, err)
		link.Freeze()
		break
	}
	must(t, ctx.Err())
}

// A stream has its first row at once, also of a table that the server knows
// nothing of: it does not sort all of a worker's rows before.
func TestStreamsAreNotSorted(t *testing.T) {
	r, name := fresh(t)
	change(t, name, `alter table pgrpo.commit set (autovacuum_enabled = off);
		insert into pgrpo.commit (seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch, slot)
		select i, '0/0'::pg_lsn + i * 100, '0/0'::pg_lsn + i * 100 + 8, now(), 1, 0, '7', 1, 1, 1, 1, 1, 1 from generate_series(1, 100000) i`)
	for _, sql := range []string{
		"select seq, lsn from pgrpo.commit where run = 1 and worker = 0 order by seq, lsn",
		"select seq, entries from pgrpo.ledger where run = 1 and worker = 0 order by seq",
		"select at from pgrpo.probe where run = 1 and driver = 1 order by at, worker",
	} {
		plan, err := r.Plan(t.Context(), sql)
		must(t, err)
		for _, step := range plan {
			if strings.HasPrefix(strings.TrimLeft(step, " ->"), "Sort") && !strings.Contains(step, "Sort Key") {
				t.Errorf("%s is sorted:\n%s", sql, strings.Join(plan, "\n"))
			}
		}
	}
}

// The time that a reader takes for an element is its own.
func TestSlowReaderGetsAll(t *testing.T) {
	t.Parallel()
	const wait = 10 * time.Second
	name := loaded(t)
	for what, rows := range map[string]int{"entries": 1000, "commits": 400_000, "events": 2000} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := opened(t, dsn(t, name, "", ""))
			r.SetWait(wait)
			n, err := count(long(r)[what](t.Context()), func() { time.Sleep(wait + time.Second) })
			if n != rows || err != nil {
				t.Errorf("%d elements, then %v, want %d", n, err, rows)
			}
		})
	}
}

// many are findings of which each comes after what before does.
func many(n int, before func(i int)) iter.Seq2[repo.Finding, error] {
	return func(yield func(repo.Finding, error) bool) {
		for i := range n {
			before(i)
			if !yield(repo.Finding{Class: "hole", Seq: txn.Seq(i)}, nil) {
				return
			}
		}
	}
}

// A repo that freezes while a report is stored, or while a run is removed, gives
// an error; findings that are slow to come do not.
func TestFrozenRepoEndsStoring(t *testing.T) {
	t.Parallel()
	const wait = 10 * time.Second
	_, name := fresh(t)
	r, link := behind(t, name)
	r.SetWait(wait)
	slow := many(3, func(i int) {
		if i == 1 {
			time.Sleep(wait + time.Second)
		}
	})
	must(t, r.SaveReport(t.Context(), run, []byte(`{}`), slow))
	if n := len(gather(t, r.Findings(t.Context(), run))); n != 3 {
		t.Errorf("%d findings are stored, want 3", n)
	}
	r.SetWait(5 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	freeze := many(1_000_000, func(i int) {
		if i == 1000 {
			link.Freeze()
		}
	})
	if err := r.SaveReport(ctx, run, []byte(`{}`), freeze); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("save report: %v; the context: %v", err, ctx.Err())
	}
	if err := r.RemoveRun(ctx, run); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("remove run: %v; the context: %v", err, ctx.Err())
	}
}

// A repo that is gone is told of in one line, whatever was asked of it.
func TestGoneRepoIsToldInOneLine(t *testing.T) {
	name := database(t)
	link, err := relay.Listen(context.WithoutCancel(t.Context()), server.Addr())
	must(t, err)
	defer link.Close()
	// With and without TLS: the connect is tried in two ways.
	r := opened(t, strings.Replace(dsn(t, name, "", link.Addr()), "sslmode=disable", "sslmode=prefer", 1))
	link.Cut()
	ask := func() error {
		_, err := r.Contacts(t.Context(), run)
		return err
	}
	var unconnected *pgconn.ConnectError
	err = ask()
	for until := time.Now().Add(time.Minute); !errors.As(err, &unconnected) && time.Now().Before(until); err = ask() {
		// A connection of the pool was cut first.
	}
	if unconnected == nil || strings.ContainsAny(err.Error(), "\n\t") || !strings.Contains(err.Error(), link.Addr()) {
		t.Errorf("connections: %v, want one line that names the repo", err)
	}
}
