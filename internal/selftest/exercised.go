package selftest

import (
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Item is something that the runs should have sometimes, with how often each of
// them had it.
type Item struct {
	Name   string  `json:"name"`
	Counts []int64 `json:"counts"`
}

func (i Item) total() int64 {
	sum := int64(0)
	for _, n := range i.Counts {
		sum += n
	}
	return sum
}

// exercised counts what the runs really had.
func exercised(trials []*Trial) []Item {
	var items []Item
	for n, t := range trials {
		for i, item := range t.had() {
			if n == 0 {
				items = append(items, Item{Name: item.name})
			}
			items[i].Counts = append(items[i].Counts, item.count)
		}
	}
	return items
}

// had is something that a run had so often.
type had struct {
	name  string
	count int64
}

func (t *Trial) had() []had {
	r := &t.Base.Result
	a, ops := &r.Attempts, t.operations()
	all := []had{
		{"acked", a.Acked}, {"acked_unreplicated", a.Unreplicated},
		{"failed", a.Failed}, {"not sent", a.NotSent},
	}
	all = append(all, t.faults()...)
	all = append(all,
		had{"in_doubt, turned out committed", a.InDoubt.Committed},
		had{"in_doubt, turned out rolled back", a.InDoubt.RolledBack},
		had{"insert", ops[txn.Insert]}, had{"update", ops[txn.Update]}, had{"delete", ops[txn.Delete]},
		had{"transaction of several operations", ops[severalOps]},
	)
	all = append(all, t.servers()...)
	return append(all,
		had{"outage", int64(len(r.RTO.Outages))},
		had{"transaction captured", r.Capture.Transactions},
		had{"capture connected again", max(0, int64(t.Visits-1))},
		had{"capture gap recorded", int64(len(r.Capture.Gaps))},
		had{"end of the stream heard", bit(r.Capture.Complete)},
		had{"word of the log", r.Witnesses.Log.Survives + r.Witnesses.Log.Lost},
		had{"word of the client's LSN", r.Witnesses.ClientLSN.Survives + r.Witnesses.ClientLSN.Lost},
	)
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// severalOps stands beside the kinds of operations, none of which is 0.
const severalOps txn.Kind = 0

// operations counts what the acked attempts did.
func (t *Trial) operations() map[txn.Kind]int64 {
	n := map[txn.Kind]int64{}
	c := &t.Base.Case
	for w, ledger := range t.Base.Ledgers {
		view := plan.New(c.Mix, c.Seed, c.Run, w)
		for _, e := range ledger {
			a := view.Next()
			if e.Outcome.IsAck() {
				for _, op := range a.Ops {
					n[op.Kind]++
				}
				if len(a.Ops) > 1 {
					n[severalOps]++
				}
			}
			view.Settle(e)
		}
	}
	return n
}

// faults counts what ended attempts and connects.
func (t *Trial) faults() []had {
	n := map[txn.Fault]int64{}
	for _, ledger := range t.Base.Ledgers {
		for _, e := range ledger {
			n[e.Fault]++
		}
	}
	for _, d := range t.Base.Facts.Drivers {
		for _, p := range d.Probes {
			n[p.Fault]++
		}
	}
	var all []had
	for f := txn.Refused; f <= txn.OtherFault; f++ {
		all = append(all, had{"error " + f.String(), n[f]})
	}
	return all
}

// servers counts what became of the servers.
func (t *Trial) servers() []had {
	starts, forks, unclear := int64(0), int64(0), int64(0)
	for _, b := range t.Base.Facts.Branches {
		// Each branch has one process at least.
		starts += max(0, int64(len(b.Starts)-1))
		forks += bit(b.Parent != 0)
		unclear += bit(b.Reason == pg.ReasonBackwards)
	}
	return []had{
		{"restart on one branch", starts}, {"new branch with a known fork", forks}, {"branch whose WAL went backwards", unclear},
	}
}
