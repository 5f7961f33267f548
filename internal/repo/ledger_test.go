package repo_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestLedgerBytesAnAttempt(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	const workers, each = 8, 25 * 1024
	frames := func(context.Context, int64) iter.Seq2[journal.Frame, error] {
		return func(yield func(journal.Frame, error) bool) {
			end := int64(0)
			for first := txn.Seq(1); first <= each; first += 100 {
				for w := range txn.Worker(workers) {
					end++
					n := min(100, each-int(first)+1)
					if !yield(journal.Frame{End: end, Body: journal.Entries{Worker: w, First: first, Raw: raw(w, first, n)}}, nil) {
						return
					}
				}
			}
		}
	}
	must(t, r.Ship(t.Context(), repo.Shipment{Header: header(run, 1), Source: frames, Part: time.Hour}))
	if got := value(t, name, "select count(*) || ' ' || sum(n) from pgrpo.ledger"); got != fmt.Sprintf("%d %d", workers*each/1024, workers*each) {
		t.Fatalf("blocks and entries: %s", got)
	}
	size, err := strconv.ParseFloat(value(t, name, "select pg_total_relation_size('pgrpo.ledger')"), 64)
	must(t, err)
	t.Logf("%.1f bytes an attempt", size/(workers*each))
	if size/(workers*each) >= 50 {
		t.Errorf("%.1f bytes an attempt, want less than 50", size/(workers*each))
	}
}

// The view for people shows what Go reads.
func TestEntryView(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	const n = 2000
	must(t, r.Ship(t.Context(), repo.Shipment{Header: header(run, 1), Source: sliced([]journal.Body{
		journal.Entries{Worker: 3, First: 1, Raw: raw(3, 1, n)},
	})}))
	us := func(d time.Duration) int64 { return d.Microseconds() }
	got := strings.Split(value(t, name, `select string_agg(concat_ws('|', worker, seq, driver, outcome, phase, fault, coalesce(sqlstate, '-'), coalesce(lsn::text, '-'),
		coalesce(xid, 0), coalesce(conn, 0), extract(epoch from sent) * 1000000, extract(epoch from took) * 1000000, extract(epoch from late) * 1000000), E'\n' order by seq) from pgrpo.entry`), "\n")
	if len(got) != n {
		t.Fatalf("%d rows, want %d", len(got), n)
	}
	for i, line := range got {
		e := entry(3, txn.Seq(i+1))
		state, at := e.State.String(), e.LSN.String()
		if state == "" {
			state = "-"
		}
		if e.LSN == 0 {
			at = "-"
		}
		want := fmt.Sprintf("3|%d|1|%v|%v|%v|%s|%s|%d|%d|%d.000000|%d.000000|%d.000000", i+1, e.Outcome, e.Phase, e.Fault, state, at, e.Xid, e.Conn, us(e.Sent), us(e.Took), us(e.Late))
		if want != line {
			t.Fatalf("the view shows\n%s, Go reads\n%s", line, want)
		}
	}
}

// A closed driver whose closed record says nothing of a worker leaves that
// worker's account open.
func TestWorkerThatTheClosedRecordLeavesOut(t *testing.T) {
	r, name := fresh(t)
	must(t, r.Ship(t.Context(), repo.Shipment{Header: header(run, 1), Source: sliced(everything(0))}))
	change(t, name, "update pgrpo.worker set used = null")
	reserves, err := r.Reserves(t.Context(), run)
	must(t, err)
	if len(reserves) != 1 || reserves[0].Closed || reserves[0].Upto != 1024 {
		t.Errorf("reserves %+v, want one that is not closed", reserves)
	}
}
