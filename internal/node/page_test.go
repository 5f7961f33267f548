package node_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// pages is more rows than one page holds.
const pages = 45_000

// paged is a database whose worker 0 has so many markers and rows of the run,
// the ids and seqs from 1 on, and payloads that name the id.
func paged(t *testing.T, run txn.Run) string {
	t.Helper()
	dsn := database(t)
	admin := connect(t, dsn)
	_, err := node.Init(t.Context(), admin, []txn.Worker{0})
	check(t, err)
	exec(t, admin, fmt.Sprintf("insert into pgrpo.marker select i, %d, 0, 1, i from generate_series(1, %d) i", run, pages))
	exec(t, admin, fmt.Sprintf("insert into pgrpo.worker_0000 select i, i, %d, i, 'payload ' || i from generate_series(1, %d) i", run, pages))
	return dsn
}

// number makes a stream that of one number for each element: its place from 1
// on, or 0 where the element is not the one of its place.
func number[T any](seq iter.Seq2[T, error], of func(T) int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		place := int64(0)
		for v, err := range seq {
			place++
			n := of(v)
			if n != place {
				n = 0
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

// readings are the three ways to read what paged has.
func readings(run txn.Run) map[string]func(context.Context, *node.Snapshot) iter.Seq2[int64, error] {
	return map[string]func(context.Context, *node.Snapshot) iter.Seq2[int64, error]{
		"markers": func(ctx context.Context, s *node.Snapshot) iter.Seq2[int64, error] {
			return number(s.Markers(ctx, run, 0), func(m txn.Marker) int64 { return int64(m.Seq) })
		},
		"rows": func(ctx context.Context, s *node.Snapshot) iter.Seq2[int64, error] {
			return number(s.RowsIn(ctx, run, 0, 1, pages), func(r txn.Row) int64 { return int64(r.ID) })
		},
		"contents": func(ctx context.Context, s *node.Snapshot) iter.Seq2[int64, error] {
			return number(s.Contents(ctx, run, 0, 1, pages), func(c txn.Content) int64 {
				if string(c.Payload) != "payload "+strconv.Itoa(int(c.ID)) {
					return 0
				}
				return int64(c.ID)
			})
		},
	}
}

// The deadline of an answer is the server's: a reader takes as long as it likes
// for what it was given, and still gets all.
func TestSlowReaderGetsAll(t *testing.T) {
	t.Parallel()
	const wait = 10 * time.Second
	run := nextRun()
	dsn := paged(t, run)
	for name, read := range readings(run) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := node.Begin(t.Context(), connect(t, dsn))
			check(t, err)
			defer s.Close()
			s.SetWait(wait)
			n := int64(0)
			for got, err := range read(t.Context(), s) {
				check(t, err)
				if n++; got != n {
					t.Fatalf("place %d holds another element", n)
				}
				if n == 1 {
					time.Sleep(wait + time.Second)
				}
			}
			if n != pages {
				t.Errorf("%d elements, want %d", n, pages)
			}
		})
	}
}

// A server that no longer answers ends the reading with an error.
func TestFrozenServerEndsReading(t *testing.T) {
	t.Parallel()
	run := nextRun()
	dsn := paged(t, run)
	for name, read := range readings(run) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, err := relay.Listen(t.Context(), shared.Addr())
			check(t, err)
			t.Cleanup(func() { link.Close() })
			through, err := url.Parse(dsn)
			check(t, err)
			through.Host = link.Addr()
			conn := connect(t, through.String())
			s, err := node.Begin(t.Context(), conn)
			check(t, err)
			s.SetWait(5 * time.Second)
			n := 0
			var last error
			for _, err := range read(t.Context(), s) {
				if n++; n == 1 {
					link.Freeze()
				}
				last = err
			}
			if !errors.Is(last, context.DeadlineExceeded) || n == 1 || n >= pages {
				t.Errorf("%d elements and then %v", n, last)
			}
		})
	}
}

// Payloads of the greatest size that a run may have are read in little memory.
func TestPagesAreBounded(t *testing.T) {
	const rows, limit = 100, 32 << 20
	run := nextRun()
	dsn := database(t)
	conn := connect(t, dsn)
	_, err := node.Init(t.Context(), conn, []txn.Worker{0})
	check(t, err)
	exec(t, conn, fmt.Sprintf("insert into pgrpo.worker_0000 select i, i, %d, i, repeat('x', 1 << 20) from generate_series(1, %d) i", run, rows))
	s, err := node.Begin(t.Context(), conn)
	check(t, err)
	defer s.Close()
	n := 0
	for c, err := range s.Contents(t.Context(), run, 0, 1, rows) {
		check(t, err)
		if n++; int(c.ID) != n || len(c.Payload) != 1<<20 {
			t.Fatalf("id %d with %d bytes at place %d", c.ID, len(c.Payload), n)
		}
	}
	if got := s.PageBytes(); n != rows || got == 0 || got > limit {
		t.Errorf("%d rows, read in %d bytes, want at most %d", n, got, limit)
	}
}
