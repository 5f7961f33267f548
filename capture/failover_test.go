package capture

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// stage is what the servers do when a part joins.
type stage int

const (
	following stage = iota // the standby follows
	alone                  // it is not made yet
	apart                  // it was cut off
)

// slotFate is what happens to the slot and the capture of one part.
type slotFate struct {
	name  string
	joins stage
	// follows runs while the standby follows and leaves its slots as they are,
	// apart once it has been cut off from the primary that goes on, promoted on
	// the new primary. Nobody captures at the beginning and at the end of each;
	// nil is nothing.
	follows, apart, promoted func(*part)
	// resume begins to capture on the new primary; nil is at once.
	resume func(*part) *running
	want   func(*part) outcome
}

// slotFates are those that the servers' version allows.
func (f *failover) slotFates() []slotFate {
	var kept []slotFate
	if f.keeps() {
		kept = keptFates()
	}
	return append(kept, []slotFate{
		{
			// The consumer confirmed positions past that of the new slot too.
			name: "made again behind its back, consumer ahead", apart: func(p *part) { p.runAhead(24) },
			promoted: func(p *part) {
				p.commit(p.standby, 20, 21)
				p.drop()
				p.stands()
				p.note(p.standby)
				p.commit(p.standby, 22, 23)
				p.below(23)
				p.padPast()
			},
			want: always(outcome{missing: []txn.Seq{20, 21}, reason: "slot ahead of what was stored"}),
		},
		{
			name: "poisoned", promoted: func(p *part) {
				p.stands()
				p.commit(p.standby, 20)
				p.poison()
				p.commit(p.standby, 21)
			},
			want: always(outcome{missing: []txn.Seq{20, 21}, reason: "slot confirmed past the end of the log"}),
		},
		{
			// The log has passed the slot when it is met: nothing shows that
			// it was ever past the end.
			name: "poisoned and overtaken", promoted: func(p *part) {
				p.stands()
				p.commit(p.standby, 20)
				p.poison()
				p.note(p.standby)
				p.commit(p.standby, 21)
				p.pad(p.standby, 2)
				p.commit(p.standby, 22)
			},
			want: always(outcome{missing: []txn.Seq{20, 21}, reason: "slot ahead of what was stored"}),
		},
		{
			name: "capture lags behind the fork", follows: func(p *part) { p.commit(p.primary, 2, 3) },
			promoted: func(p *part) { p.commit(p.standby, 20) },
			want: func(p *part) outcome {
				if p.keeps() {
					return outcome{}
				}
				return outcome{missing: []txn.Seq{2, 3, 20}, reason: "slot missing"}
			},
		},
		{
			name: "held by a zombie", promoted: func(p *part) { p.stands(); p.note(p.standby) }, resume: (*part).meetZombie,
			want: func(p *part) outcome {
				if p.keeps() {
					return outcome{}
				}
				return outcome{reason: "slot ahead of what was stored"}
			},
		},
		{
			// What the slot still has cannot be told from what it never got.
			name: "publication dropped", follows: func(p *part) { p.commit(p.primary, 2) },
			promoted: func(p *part) {
				p.commit(p.standby, 20)
				p.must(p.standby.Exec(p.ctx, "drop publication "+node.NameOf(p.run)))
				p.commit(p.standby, 21)
			},
			want: func(p *part) outcome {
				return outcome{missing: []txn.Seq{2, 20, 21}, reason: "publication " + node.NameOf(p.run) + " is missing"}
			},
		},
		{
			// The new primary has nothing of the run.
			name: "publication lost with the old primary", joins: apart,
			promoted: func(p *part) { p.commit(p.standby, 20) },
			want: func(p *part) outcome {
				return outcome{missing: []txn.Seq{20}, reason: "publication " + node.NameOf(p.run) + " is missing"}
			},
		},
	}...)
}

// keptFates are those of a slot that the standby has a copy of. The one comes
// first that must find the new primary's log short.
func keptFates() []slotFate {
	return []slotFate{{
		// The consumer heard more than the standby: what the new primary commits
		// has positions that were confirmed already (H1).
		name: "synced, consumer ahead", apart: func(p *part) { p.runAhead(8) },
		promoted: func(p *part) {
			p.commit(p.standby, 20, 21, 22)
			p.below(22)
			// Past them, nothing shows that the position is another branch's.
			p.padPast()
		},
		want: always(outcome{}),
	}, {
		// So also if nobody halts it, whether or not the log is past them.
		name: "synced, consumer ahead and running", apart: func(p *part) {
			p.runAhead(16)
			p.keepRunning()
		},
		promoted: func(p *part) {
			p.commit(p.standby, 20, 21, 22)
			p.below(22)
		},
		resume: func(p *part) *running {
			p.until("wait for the stream of the new primary", func() bool { return p.slotUser(p.standby) != "" })
			return p.kept
		},
		want: always(outcome{}),
	}, {
		// The old primary's slot left transactions out. The standby's copy, which
		// is older, still has them, and sends what was captured after them again.
		name: "synced but stale", follows: func(p *part) {
			p.commit(p.primary, 2, 3)
			p.must(p.primary.Exec(p.ctx, fmt.Sprintf("select pg_replication_slot_advance('%s', pg_current_wal_flush_lsn())", p.slot())))
			p.note(p.primary)
			p.listen(4, 5, 6)
		},
		promoted: func(p *part) { p.commit(p.standby, 20) },
		want:     func(p *part) outcome { return outcome{again: p.storedFrom(p.to)} },
	}, {
		// What the slot holds back is older than what the standby has, until
		// its consumer moves on (H7).
		name: "temporary and gone", joins: alone, follows: func(p *part) { p.commit(p.primary, 2) },
		promoted: func(p *part) { p.commit(p.standby, 20) },
		want:     always(outcome{missing: []txn.Seq{2, 20}, reason: "slot missing"}),
	}}
}

func always(o outcome) func(*part) outcome { return func(*part) outcome { return o } }

// A slot may come out of a failover in many ways. Whatever it is: what survived
// is captured once or lies in a recorded gap, whose bounds and transactions are
// what plain SQL says they are, and nothing is stored twice.
func TestFailover(t *testing.T) {
	f := &failover{box: sandboxtest.Open(t)}
	f.major = f.box.Binaries().Major
	settings := map[string]string{}
	if f.keeps() {
		settings["sync_replication_slots"] = "on"
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	var err error
	f.primary, err = f.box.Primary(ctx, "alpha", settings)
	must(err)
	fates, parts := f.slotFates(), map[string]*part{}
	join := func(now stage) {
		for _, fate := range fates {
			if fate.joins == now {
				parts[fate.name] = f.join(t)
			}
		}
	}
	join(alone)
	f.standby, err = f.box.Standby(ctx, "beta", f.primary, "")
	must(err)
	must(f.standby.WaitStreaming(ctx, f.primary))
	join(following)
	if f.keeps() {
		for _, fate := range fates {
			if p := parts[fate.name]; fate.joins == following {
				p.awaitSynced()
			} else if fate.joins == alone {
				p.until("wait for a copy", func() bool { return p.slotValue(p.standby, "synced and temporary") == "t" })
			}
		}
		must(f.standby.Set(ctx, "sync_replication_slots", "off"))
		parts[fates[0].name].until("wait for the end of the synchronization", func() bool {
			n, err := f.standby.Value(ctx, "select count(*) from pg_stat_activity where backend_type = 'slotsync worker'")
			must(err)
			return n == "0"
		})
	}
	each := func(do func(slotFate) func(*part)) {
		for _, fate := range fates {
			if p, run := parts[fate.name], do(fate); p != nil && run != nil {
				run(p)
			}
		}
	}
	each(func(s slotFate) func(*part) { return s.follows })
	must(f.standby.WaitReplayed(ctx, f.primary))
	must(f.standby.Stop(ctx, sandbox.Fast))
	join(apart)
	each(func(s slotFate) func(*part) { return s.apart })
	must(f.primary.Kill())
	must(f.standby.Start(ctx))
	must(f.standby.Promote(ctx))
	f.fork = f.forkOf(t)
	for _, fate := range fates {
		t.Run(fate.name, func(t *testing.T) {
			p := parts[fate.name]
			p.t = t
			p.live(fate)
		})
	}
}

// forkOf reads from the standby's history where it left the primary's log.
func (f *failover) forkOf(t *testing.T) pg.LSN {
	t.Helper()
	text, err := f.standby.Value(t.Context(), "select split_part(pg_read_file('pg_wal/00000002.history'), e'\t', 2)")
	if err != nil {
		t.Fatal(err)
	}
	fork, err := pg.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	return fork
}

// live leads a part through the rest of its fate and gives account of it.
func (p *part) live(fate slotFate) {
	p.t.Helper()
	var err error
	p.target, err = node.Parse(p.standby.DSN("postgres"))
	p.must(err)
	fate.promoted(p)
	want := fate.want(p)
	begin := p.capture
	if fate.resume != nil {
		begin = func() *running { return fate.resume(p) }
	}
	r := begin()
	r.awaitReady(p.t)
	p.commit(p.standby, 90)
	p.padPast()
	p.finish(r, p.standby)
	p.account(r, want)
}
