package capture

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// failover is a primary and the standby that takes over from it.
type failover struct {
	box              *sandbox.Sandbox
	primary, standby *sandbox.Server
	major            int
	// fork is where the standby left the primary's log, as its history says.
	fork pg.LSN
}

// keeps tells whether the servers can have failover slots on standbys.
func (f *failover) keeps() bool { return f.major >= 17 }

// part is one of the runs that live through the same failover.
type part struct {
	*trial
	*failover
	written map[txn.Seq]written
	// heard is how far the capture had got when the new primary was met, to is
	// where the slot stood that was found there; 0 if it has to be made.
	heard, to pg.LSN
	told      heard
	// kept is a capture that runs while one server takes over from the other.
	kept *running
}

// written is an acked transaction, and where its server's log stood before and
// after it.
type written struct {
	on       *sandbox.Server
	from, to pg.LSN
}

// join begins a run: its first transaction is captured, then it is left alone.
func (f *failover) join(t testing.TB) *part {
	t.Helper()
	dsn := f.primary.DSN("postgres")
	p := &part{trial: newTrial(t, f.primary, dsn), failover: f, written: make(map[txn.Seq]written)}
	p.listen(1)
	return p
}

const insertLSN = "select pg_current_wal_insert_lsn()"

// commit writes one transaction.
func (p *part) commit(on *sandbox.Server, seqs ...txn.Seq) {
	p.t.Helper()
	for _, seq := range seqs {
		sql, _ := transaction(txn.ID{Run: p.run, Worker: 0, Seq: seq}, nil)
		w := written{on: on, from: p.lsnOf(on, insertLSN)}
		p.must(on.Exec(p.ctx, sql))
		w.to = p.lsnOf(on, insertLSN)
		p.written[seq] = w
	}
}

// pad makes a server's log longer by some megabytes in which nothing is the run's.
func (p *part) pad(on *sandbox.Server, megabytes int) {
	p.t.Helper()
	p.must(on.Exec(p.ctx, fmt.Sprintf("select pg_logical_emit_message(true, 'pad', repeat('x', 1 << 20)) from generate_series(1, %d)", megabytes)))
}

// padPast makes the new primary's log reach past all that was heard of the old
// one's: what comes then is sent in any case.
func (p *part) padPast() {
	p.t.Helper()
	if now := p.lsnOf(p.standby, insertLSN); now < p.heard {
		p.pad(p.standby, int((p.heard-now)>>20)+1)
	}
}

// listen captures from the primary while transactions are written there.
func (p *part) listen(seqs ...txn.Seq) {
	p.t.Helper()
	r := p.capture()
	r.awaitReady(p.t)
	p.commit(p.primary, seqs...)
	p.reach(r, int64(len(seqs)))
	r.halt(p.t)
	p.slotOn(p.primary)
	p.remember()
}

// remember takes note of how far the capture has got.
func (p *part) remember() {
	p.t.Helper()
	progress, err := p.store.Load(p.ctx)
	p.must(err)
	p.heard = max(progress.End, progress.FollowedTo)
}

// slotValue asks a server for something about the run's slot.
func (p *part) slotValue(on *sandbox.Server, what string) string {
	p.t.Helper()
	text, err := on.Value(p.ctx, fmt.Sprintf("select %s from pg_replication_slots where slot_name = '%s'", what, p.slot()))
	p.must(err)
	return text
}

// awaitSynced waits until the standby has the slot for good: for that its
// consumer must move on.
func (p *part) awaitSynced() {
	p.t.Helper()
	r := p.capture()
	r.awaitReady(p.t)
	p.until("wait until the slot is synced", func() bool {
		p.must(p.primary.Exec(p.ctx, "select pg_log_standby_snapshot()"))
		return p.slotValue(p.standby, "synced and not temporary") == "t"
	})
	r.halt(p.t)
	p.slotOn(p.primary)
	p.remember()
}

// stands makes the slot by hand on the new primary, where it did not survive.
func (p *part) stands() {
	p.t.Helper()
	p.must(p.standby.Exec(p.ctx, fmt.Sprintf("select pg_create_logical_replication_slot('%[1]s', 'pgoutput')"+
		" where not exists (select from pg_replication_slots where slot_name = '%[1]s')", p.slot())))
}

// note takes note of where the slot stands that the capture will find.
func (p *part) note(on *sandbox.Server) {
	p.t.Helper()
	p.slotOn(on)
	p.to = p.lsnOf(on, "select confirmed_flush_lsn from pg_replication_slots where slot_name = '"+p.slot()+"'")
}

// drop drops the slot, if it is there, on the new primary.
func (p *part) drop() {
	p.t.Helper()
	p.slotValue(p.standby, "max(pg_drop_replication_slot(slot_name)::text)")
}

// runAhead captures what the standby does not get, up to some megabytes past its
// end.
func (p *part) runAhead(megabytes int) {
	p.t.Helper()
	p.listen(10)
	p.pad(p.primary, megabytes)
	p.listen(11)
}

// keepRunning captures from whichever of the servers takes writes.
func (p *part) keepRunning() {
	p.t.Helper()
	var err error
	p.target, err = node.Parse(fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", p.standby.Addr(), p.primary.Addr()))
	p.must(err)
	p.kept = p.capture()
	p.kept.awaitReady(p.t)
}

// below fails unless a transaction of the new primary has a position that the
// consumer had confirmed on the old one: else nothing is tried.
func (p *part) below(seq txn.Seq) {
	p.t.Helper()
	if w := p.written[seq]; w.to > p.heard {
		p.t.Fatalf("transaction %d was written up to %v, but only %v was heard", seq, w.to, p.heard)
	}
}

// meetZombie begins to capture while another session reads from the slot, and
// ends that session when the capture has tried some times.
func (p *part) meetZombie() *running {
	p.t.Helper()
	v, err := call(p.ctx, p.target, "zombie")
	p.must(err)
	node.Close(v.side)
	zombie, err := startStream(p.ctx, v.repl, request{slot: p.slot(), publication: node.NameOf(p.run), version: v.id.VersionNum})
	p.must(err)
	defer zombie.drop()
	pid := p.slotUser(p.standby)
	p.commit(p.standby, 20)
	r := p.captureWith(&p.told)
	p.until("wait for tries", func() bool { return p.told.count(EventDisconnected) >= 3 })
	if now := p.slotUser(p.standby); now != pid || r.Counters().Streams.Load() > 0 {
		p.t.Errorf("process %q reads from the slot, want the zombie, %s", now, pid)
	}
	return r
}

// outcome is what is to be true of a part in the end: the transactions that the
// survivor has and that lie in a recorded gap, why, and how many came twice.
type outcome struct {
	missing []txn.Seq
	reason  string
	again   int64
}

// account fails unless each transaction of the survivor was captured once, where
// its server says that it was written, or lies in the one gap that is recorded,
// and these are the ones of the outcome; and unless what else was captured was
// written past the fork.
func (p *part) account(r *running, want outcome) {
	p.t.Helper()
	gaps, err := p.repo.Gaps(p.ctx, p.run)
	p.must(err)
	p.t.Logf("fork %v, heard %v, gaps %+v, %d came again", p.fork, p.heard, gaps, r.Counters().Duplicates.Load())
	markers, got := p.markers(p.standby), p.captured()
	p.whole(nil, got)
	var missing []txn.Seq
	for id, m := range markers {
		if id.Worker == txn.SentinelWorker {
			continue
		}
		w, cs := p.written[id.Seq], got[id]
		switch in := w.in(gaps); {
		case w.on == nil:
			p.t.Errorf("%v was written by nobody", id)
		case len(cs)+in != 1:
			p.t.Errorf("%v, written from %v to %v, was captured %d times and lies in %d gaps", id, w.from, w.to, len(cs), in)
		case in == 1:
			missing = append(missing, id.Seq)
		case cs[0].LSN < w.from || cs[0].End > w.to || cs[0].Branch != p.branchOf(w) || cs[0].SeenSum != m.Sum:
			p.t.Errorf("%v, written from %v to %v on branch %d: captured from %v to %v on branch %d, with sum %d of %d",
				id, w.from, w.to, p.branchOf(w), cs[0].LSN, cs[0].End, cs[0].Branch, cs[0].SeenSum, m.Sum)
		}
	}
	for seq, w := range p.written {
		id := txn.ID{Run: p.run, Seq: seq}
		if _, survives := markers[id]; survives == p.lost(w) {
			p.t.Errorf("%v, written from %v to %v: survives %v", id, w.from, w.to, survives)
		}
	}
	slices.Sort(missing)
	if !slices.Equal(missing, want.missing) {
		p.t.Errorf("in gaps: %v, want %v", missing, want.missing)
	}
	if again := r.Counters().Duplicates.Load(); again != want.again {
		p.t.Errorf("%d transactions came again, want %d", again, want.again)
	}
	p.edges(gaps, want)
}

// edges fails unless the gap is the one of the outcome: from what was heard of
// the survivor's log to where the slot stood or was made, before the first
// transaction that was captured after it.
func (p *part) edges(gaps []txn.Gap, want outcome) {
	p.t.Helper()
	if want.reason == "" {
		if len(gaps) > 0 {
			p.t.Errorf("gaps: %+v", gaps)
		}
		return
	}
	from := p.heard
	if p.standby != p.primary {
		from = min(from, p.fork)
	}
	if len(gaps) != 1 || gaps[0].Branch != p.branchOf(written{on: p.standby}) || gaps[0].From != from || gaps[0].Reason != want.reason ||
		p.to != 0 && gaps[0].To != p.to {
		p.t.Errorf("gaps: %+v, want one from %v to %v: %s", gaps, from, p.to, want.reason)
	}
}

// in is the number of gaps that a transaction lies in. No gap begins or ends
// within one.
func (w written) in(gaps []txn.Gap) (n int) {
	for _, g := range gaps {
		if g.From <= w.from && w.to <= g.To {
			n++
		}
	}
	return n
}

// lost tells whether a transaction was written past the fork on the old primary.
func (p *part) lost(w written) bool { return w.on != p.standby && w.from >= p.fork }

func (p *part) branchOf(w written) pg.BranchID {
	if w.on == p.primary {
		return 1
	}
	return 2
}

// storedFrom counts, in the repo, the transactions stored at or past a position.
func (p *part) storedFrom(at pg.LSN) int64 {
	p.t.Helper()
	text, err := repoServer.Value(p.ctx, fmt.Sprintf("select count(*) from pgrpo.commit where run = %d and lsn >= '%v'", p.run, at))
	p.must(err)
	n, err := strconv.ParseInt(text, 10, 64)
	p.must(err)
	return n
}
