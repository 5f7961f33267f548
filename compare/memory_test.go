package compare_test

import (
	"iter"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// endlessMix has small payloads: they are no matter of memory.
var endlessMix = plan.Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 2, PayloadBytes: 8}

// endless is a run that is made up while it is read, so that only the judge's own
// memory counts. One attempt in sixteen fails.
type endless struct {
	workers  int
	attempts txn.Seq // of each worker
	faults   int64   // one row in so many is of another version; 0 none
	payload  []byte
	peak     uint64
	read     int
}

func (ev *endless) entry(seq txn.Seq) txn.Entry {
	e := txn.Entry{
		LSN: pg.LSN(0x10000 + 0x100*seq), Sent: time.Duration(seq) * 100 * time.Microsecond, Took: 50 * time.Microsecond,
		Xid: pg.Xid(seq), Conn: 1, Outcome: txn.Acked, Phase: txn.Answered,
	}
	if seq%16 == 0 {
		e.Outcome, e.Fault, e.State = txn.Failed, txn.OtherFault, txn.StateOf("40001")
	}
	return e
}

// sample notes how much memory the process holds, now and then.
func (ev *endless) sample() {
	if ev.read++; ev.read%50_000 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		ev.peak = max(ev.peak, m.Sys-m.HeapReleased)
	}
}

// each yields what of makes of every attempt that was kept.
func each[T any](ev *endless, w txn.Worker, of func(a txn.Attempt) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		view := plan.New(endlessMix, 1, testRun, w)
		for seq := range ev.attempts {
			a, e := view.Next(), ev.entry(seq+1)
			ev.sample()
			if e.Outcome == txn.Acked && !yield(of(a), nil) {
				return
			}
			view.Settle(e)
		}
	}
}

func (ev *endless) Entries(txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		for seq := range ev.attempts {
			if !yield(ev.entry(seq+1), nil) {
				return
			}
		}
	}
}

func (ev *endless) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	c := testCase()
	c.Mix = endlessMix
	return each(ev, w, func(a txn.Attempt) txn.Marker {
		return txn.Marker{ID: a.ID, Ops: int32(len(a.Ops)), Sum: promised(c, a)}
	})
}

func (ev *endless) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	c := testCase()
	c.Mix = endlessMix
	return each(ev, w, func(a txn.Attempt) txn.Commit {
		sum := promised(c, a)
		lsn, ops := pg.LSN(0x10020+0x100*a.Seq), int32(len(a.Ops))
		return txn.Commit{ID: a.ID, Branch: 1, LSN: lsn, End: lsn + 0x40, Xid: pg.Xid(a.Seq), Ops: ops, Sum: sum, Seen: ops, SeenSum: sum}
	})
}

func (ev *endless) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return func(yield func(txn.Row, error) bool) {
		for c, err := range ev.Contents(w, first, last) {
			if !yield(c.Row, err) {
				return
			}
		}
	}
}

func (ev *endless) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return func(yield func(txn.Content, error) bool) {
		replay := plan.NewReplay(endlessMix, 1, testRun, w)
		for seq := range ev.attempts + 1 {
			if seq == ev.attempts {
				replay.End()
			} else {
				replay.Next()
				e := ev.entry(seq + 1)
				marker := pg.Present
				if e.Outcome == txn.Failed {
					marker = pg.Absent
				}
				replay.Settle(e, marker)
			}
			for e, ok := replay.Pop(); ok; e, ok = replay.Pop() {
				ev.sample()
				v := e.Last
				if ev.faults != 0 && int64(e.ID)%ev.faults == 99 {
					v = plan.Version{Seq: max(1, v.Seq-1), Kind: txn.Insert}
				}
				if e.ID < first || e.ID > last || !v.There() {
					continue
				}
				id := txn.ID{Run: testRun, Worker: w, Seq: v.Seq}
				ev.payload = txn.AppendPayload(ev.payload[:0], 1, id, e.ID, endlessMix.PayloadBytes)
				sum := txn.SumOf(id, e.ID, v.Kind, ev.payload)
				if !yield(txn.Content{Row: txn.Row{Run: testRun, ID: e.ID, Seq: v.Seq, Sum: sum}, Payload: ev.payload}, nil) {
					return
				}
			}
		}
	}
}

func (ev *endless) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	var all []txn.Bucket
	for r := range ev.Rows(w, 1, 1<<62) {
		if n := txn.BucketOf(r.ID); len(all) == 0 || all[len(all)-1].Number != n {
			all = append(all, txn.Bucket{Number: n})
		}
		all[len(all)-1].Add(r.ID, r.Seq, r.Sum)
	}
	return all, nil
}

var _ compare.Streams = (*endless)(nil)

// facts are of one driver, all of whose workers were closed.
func (ev *endless) facts() compare.Facts {
	f := newEvidence().facts
	f.BranchOf = func(txn.Driver, txn.Conn) pg.BranchID { return 1 }
	f.Survivor.Branch = 1
	for w := range txn.Worker(ev.workers) {
		f.Reserves = append(f.Reserves, txn.Reserve{Worker: w, Upto: ev.attempts, Used: ev.attempts, Closed: true})
		f.MarkerWorkers, f.CommitWorkers = append(f.MarkerWorkers, w), append(f.CommitWorkers, w)
		f.TableWorkers = append(f.TableWorkers, w)
	}
	return f
}

// Two million attempts of every kind, with their rows, are judged in 150 MiB. One
// row in each bucket is wrong, so that all of them are read as well.
func TestJudgeMemory(t *testing.T) {
	const limit = 150 << 20
	debug.FreeOSMemory()
	ev := &endless{workers: 4, attempts: longRunOf / 4, faults: txn.BucketRows}
	c := testCase()
	c.Mix, c.Expect = endlessMix, compare.ExpectNone
	res, err := compare.Judge(c, ev.facts(), ev, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := int64(0)
	for _, n := range res.Counts {
		found += n
	}
	buckets := 0
	for w := range txn.Worker(ev.workers) {
		all, _ := ev.Buckets(w)
		buckets += len(all)
	}
	if res.Attempts.Sent != longRunOf || res.Verdict != compare.Breached || found == 0 || found > int64(buckets) {
		t.Errorf("%d attempts, %d findings in %d buckets, verdict %v: %v", res.Attempts.Sent, found, buckets, res.Verdict, res.Reasons)
	}
	if t.Logf("%d MiB held, %d findings", ev.peak>>20, found); ev.peak == 0 || ev.peak > limit {
		t.Errorf("%d MiB held, want at most %d", ev.peak>>20, limit>>20)
	}
}
