package compare_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// ack is one attempt to a server, sent and received so many milliseconds after
// the start of the driver's clock. One that is lost is not on the survivor.
type ack struct {
	driver     txn.Driver
	to         txn.Conn
	sent, end  int
	lost       bool
	outcome    txn.Outcome
	unanswered bool
}

// scene is a run of which only the acks matter: connection n of every driver
// leads to servers[n-1].
type scene struct {
	branches pg.Branches
	servers  []compare.Server
	drivers  []compare.Driver
	survivor compare.Survivor
	acks     []ack
}

// promotion is a primary on branch 1 and a standby that was promoted to branch
// 2, which survived.
func promotion(acks ...ack) scene {
	return scene{
		branches: pg.Branches{
			{ID: 1, System: 7, Timeline: 1, HasHistory: true},
			{ID: 2, System: 7, Timeline: 2, HasHistory: true, Parent: 1, Fork: fork},
		},
		servers:  []compare.Server{{Address: "a:1", Branch: 1, Timeline: 1, Start: 100}, {Address: "b:1", Branch: 2, Timeline: 2, Start: 200}},
		drivers:  []compare.Driver{{ID: 0, Started: testStart, Closed: true}},
		survivor: compare.Survivor{Branch: 2, Name: "b", Proven: true},
		acks:     acks,
	}
}

// third adds a server on a branch of its own.
func (s scene) third(b pg.Branch, start pg.ProcessStart) scene {
	b.ID, b.System = 3, 7
	s.branches = append(s.branches, b)
	s.servers = append(s.servers, compare.Server{Address: "c:1", Branch: 3, Timeline: b.Timeline, Start: start})
	return s
}

// play makes the evidence: each driver has a worker for each server.
func (s scene) play() *evidence {
	ev := newEvidence()
	ev.facts.Branches, ev.facts.Survivor, ev.facts.Drivers = s.branches, s.survivor, nil
	ev.facts.BranchOf = func(_ txn.Driver, c txn.Conn) pg.BranchID { return s.servers[c-1].Branch }
	worker := func(d txn.Driver, c txn.Conn) txn.Worker { return txn.Worker(int(d)*len(s.servers) + int(c) - 1) }
	for _, d := range s.drivers {
		for i, v := range s.servers {
			d.Connections = append(d.Connections, txn.Connection{Address: v.Address, Contact: pg.Contact{
				Observer: int32(d.ID), Number: uint32(i + 1), System: 7, Timeline: v.Timeline, Start: v.Start,
			}})
		}
		ev.facts.Drivers = append(ev.facts.Drivers, d)
	}
	for _, a := range s.acks {
		e := txn.Entry{Conn: a.to, Outcome: txn.Acked}
		if a.outcome != 0 || a.unanswered {
			e.Outcome = a.outcome
		}
		w := worker(a.driver, a.to)
		id, ops := ev.send(w, e)
		last := &ev.entries[w][len(ev.entries[w])-1]
		last.Sent, last.Took = time.Duration(a.sent)*ms, time.Duration(a.end-a.sent)*ms
		if !a.lost && s.survivor.Proven {
			ev.mark(id, ops)
		}
	}
	for _, d := range s.drivers {
		for i := range s.servers {
			w := worker(d.ID, txn.Conn(i+1))
			used := txn.Seq(len(ev.entries[w]))
			ev.facts.Reserves = append(ev.facts.Reserves, txn.Reserve{Worker: w, Driver: d.ID, Upto: 1024, Used: used, Closed: true})
		}
	}
	return ev.settle()
}

// splits plays the scene and gives the pairs in short, and each finding by
// worker and seq.
func (s scene) splits(t *testing.T) (pairs, found []string, res compare.Result) {
	t.Helper()
	res, all := s.play().judge(t, testCase())
	for _, p := range res.Splits {
		pair := fmt.Sprintf("%d/%d>%d/%d: %d, %d only there, %v..%v", p.Old.Branch, p.Old.Start, p.New.Branch, p.New.Start,
			p.Acks, p.OnlyOnOld, p.From.Sub(testStart), p.To.Sub(testStart))
		if p.Advisory {
			pair += ", perhaps"
		}
		pairs = append(pairs, pair)
	}
	for _, f := range all {
		if f.Class == compare.SplitBrain {
			found = append(found, fmt.Sprintf("%d/%d", f.Worker, f.Seq))
		}
	}
	return pairs, found, res
}

func TestSplitBrain(t *testing.T) {
	unproven := compare.Survivor{Why: "two take writes"}
	for _, c := range []struct {
		name         string
		scene        scene
		pairs, found []string
	}{{
		name:  "the old primary goes on after the promotion",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 10, end: 20}, ack{to: 1, sent: 21, end: 25, lost: true}, ack{to: 1, sent: 30, end: 34, lost: true}, ack{to: 1, sent: 35, end: 37}),
		pairs: []string{"1/100>2/200: 3, 2 only there, 20ms..37ms"}, found: []string{"0/2", "0/3", "0/4"},
	}, {
		name:  "a plain failover",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 1, sent: 2, end: 3, lost: true}, ack{to: 2, sent: 10, end: 11}, ack{to: 2, sent: 12, end: 13}),
	}, {
		name:  "late reads: sent before the other's ack was there, received long after",
		scene: promotion(ack{to: 2, sent: 10, end: 20}, ack{to: 1, sent: 19, end: 5000, lost: true}, ack{to: 1, sent: 20, end: 5001, lost: true}),
	}, {
		name:  "the first of several acks counts, in whatever order they were sent",
		scene: promotion(ack{to: 2, sent: 5, end: 90}, ack{to: 2, sent: 6, end: 20}, ack{to: 1, sent: 21, end: 22}),
		pairs: []string{"1/100>2/200: 1, 0 only there, 20ms..22ms"}, found: []string{"0/1"},
	}, {
		name: "what is not acked takes over from nobody, and is no ack of the old one",
		scene: promotion(ack{to: 2, sent: 1, end: 2, unanswered: true, lost: true}, ack{to: 2, sent: 3, end: 4, outcome: txn.Failed, lost: true}, ack{to: 1, sent: 5, end: 6},
			ack{to: 2, sent: 7, end: 8}, ack{to: 1, sent: 9, end: 10, unanswered: true, lost: true}, ack{to: 1, sent: 11, end: 12, outcome: txn.Failed, lost: true}),
	}, {
		name:  "an ack with the warning is one",
		scene: promotion(ack{to: 2, sent: 1, end: 2, outcome: txn.AckedUnreplicated}, ack{to: 1, sent: 3, end: 4, outcome: txn.AckedUnreplicated, lost: true}),
		pairs: []string{"1/100>2/200: 1, 1 only there, 2ms..4ms"}, found: []string{"0/1"},
	}, {
		name: "the grandchild alone is proof",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 3, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5, lost: true}).
			third(pg.Branch{Timeline: 3, HasHistory: true, Parent: 2, Fork: fork + 0x1000}, 300),
		pairs: []string{"1/100>3/300: 1, 1 only there, 3ms..5ms"}, found: []string{"0/2"},
	}, {
		name: "each ack is counted with the server that took over first",
		scene: promotion(ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 3, sent: 6, end: 7}, ack{to: 1, sent: 8, end: 9}, ack{to: 2, sent: 10, end: 11}).
			third(pg.Branch{Timeline: 3, HasHistory: true, Parent: 2, Fork: fork + 0x1000}, 300),
		pairs: []string{"1/100>2/200: 2, 0 only there, 3ms..9ms", "2/200>3/300: 1, 0 only there, 7ms..11ms"}, found: []string{"0/1", "0/2", "1/2"},
	}, {
		name: "there and back in order",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 3, sent: 4, end: 5}).
			third(pg.Branch{Timeline: 3, HasHistory: true, Parent: 2, Fork: fork + 0x1000}, 300),
	}, {
		name: "the old primary, started again, goes on with its branch",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 3, sent: 4, end: 5}).
			onBranch(3, 1, 101),
		pairs: []string{"1/101>2/200: 1, 0 only there, 3ms..5ms"}, found: []string{"2/1"},
	}, {
		name:  "one address is two servers",
		scene: promotion(ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}).at("proxy:1"),
		pairs: []string{"1/100>2/200: 1, 0 only there, 3ms..5ms"}, found: []string{"0/1"},
	}, {
		name:  "processes that are not known, on branches that are",
		scene: promotion(ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}).onBranch(1, 1, 0).onBranch(2, 2, 0),
		pairs: []string{"1/0>2/0: 1, 0 only there, 3ms..5ms"}, found: []string{"0/1"},
	}, {
		name:  "a process never succeeds itself",
		scene: promotion(ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 2, sent: 6, end: 7}).onBranch(2, 2, 100),
	}, {
		name:  "a branch that is not known",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 2, sent: 6, end: 7}).onBranch(1, 0, 100),
	}, {
		name:  "a restart on the same branch",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 1, end: 2}, ack{to: 2, sent: 4, end: 5}).onBranch(2, 1, 101),
	}, {
		name:  "two processes at a time on what looks like one branch",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 1, sent: 6, end: 7}, ack{to: 2, sent: 8, end: 9}).onBranch(2, 1, 101),
		pairs: []string{"1/100>1/101: 2, 0 only there, 3ms..7ms"}, found: []string{"0/2", "0/3"},
	}, {
		name:  "two processes of which one is not known, on one branch",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 2, sent: 6, end: 7}).onBranch(2, 1, 0),
	}, {
		name: "a crash that lost its end, and went on",
		scene: promotion(ack{to: 1, sent: 0, end: 1, lost: true}, ack{to: 3, sent: 2, end: 3}, ack{to: 3, sent: 4, end: 5}).
			third(pg.Branch{Timeline: 1, HasHistory: true, Unclear: true, Reason: pg.ReasonBackwards}, 300).survivedBy(3),
	}, {
		name: "a log that went backwards, beside the primary that lives on",
		scene: promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 3, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5, lost: true}, ack{to: 3, sent: 6, end: 7}).
			third(pg.Branch{Timeline: 1, HasHistory: true, Unclear: true, Reason: pg.ReasonBackwards}, 300).survivedBy(3),
		pairs: []string{"1/100>3/300: 1, 1 only there, 3ms..5ms"}, found: []string{"0/2"},
	}, {
		name: "a branch of which the parent is not clear proves nothing by itself",
		scene: promotion(ack{to: 3, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5, lost: true}).
			third(pg.Branch{Timeline: 2, HasHistory: true, Unclear: true}, 300).survivedBy(3),
	}, {
		name:  "siblings, one after the other",
		scene: promotion(ack{to: 3, sent: 2, end: 3, lost: true}, ack{to: 3, sent: 3, end: 4, lost: true}, ack{to: 2, sent: 4, end: 5}, ack{to: 2, sent: 8, end: 9}).sibling(),
	}, {
		name:  "siblings, one after the other, though an ack of the first came late",
		scene: promotion(ack{to: 2, sent: 0, end: 30}, ack{to: 3, sent: 5, end: 10, lost: true}, ack{to: 3, sent: 40, end: 41, lost: true}).sibling(),
	}, {
		name:  "siblings at a time: the survivor's is the new one, though it was met first",
		scene: promotion(ack{to: 2, sent: 0, end: 1}, ack{to: 3, sent: 2, end: 3, lost: true}, ack{to: 2, sent: 4, end: 5}, ack{to: 3, sent: 6, end: 7, lost: true}).sibling(),
		pairs: []string{"3/300>2/200: 2, 2 only there, 1ms..7ms"}, found: []string{"2/1", "2/2"},
	}, {
		name:  "siblings at a time: the one whose log was promoted once more is the new one",
		scene: promotion(ack{to: 2, sent: 0, end: 1}, ack{to: 3, sent: 2, end: 3, lost: true}, ack{to: 2, sent: 4, end: 5}, ack{to: 3, sent: 6, end: 7, lost: true}).sibling().promoted(2),
		pairs: []string{"3/300>2/200: 2, 2 only there, 1ms..7ms"}, found: []string{"2/1", "2/2"},
	}, {
		name:  "siblings at a time: where nobody is known to survive, the first is the old one",
		scene: promotion(ack{to: 2, sent: 0, end: 1}, ack{to: 3, sent: 2, end: 3}, ack{to: 2, sent: 4, end: 5}, ack{to: 3, sent: 6, end: 7}).sibling().survived(unproven),
		pairs: []string{"2/200>3/300: 1, 0 only there, 3ms..5ms"}, found: []string{"1/2"},
	}} {
		t.Run(c.name, func(t *testing.T) {
			pairs, found, res := c.scene.splits(t)
			if d := cmp.Diff(c.pairs, pairs); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.found, found); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if n := res.Counts[compare.SplitBrain]; n != int64(len(c.found)) || res.Breaks[compare.SplitBrain] != (n > 0) {
				t.Errorf("counted %d, breaks: %t", n, res.Breaks[compare.SplitBrain])
			}
			if len(c.found) > 0 && res.Verdict != compare.Breached {
				t.Errorf("verdict %s: %q", res.Verdict, res.Reasons)
			}
		})
	}
}

// onBranch puts a server on another branch, or makes it another process.
func (s scene) onBranch(to txn.Conn, b pg.BranchID, start pg.ProcessStart) scene {
	for int(to) > len(s.servers) {
		s.servers = append(s.servers, compare.Server{Address: "a:1"})
	}
	v := &s.servers[to-1]
	v.Branch, v.Start, v.Timeline = b, start, 1
	if known, ok := s.branches.Of(b); ok {
		v.Timeline = known.Timeline
	}
	return s
}

// sibling adds another standby of the first primary that was promoted.
func (s scene) sibling() scene {
	return s.third(pg.Branch{Timeline: 2, HasHistory: true, Parent: 1, Fork: fork + 0x100}, 300)
}

// promoted lets a standby of the server on a branch survive that nobody was
// acknowledged by.
func (s scene) promoted(parent pg.BranchID) scene {
	id := pg.BranchID(len(s.branches) + 1)
	s.branches = append(s.branches, pg.Branch{ID: id, System: 7, Timeline: 3, HasHistory: true, Parent: parent, Fork: fork + 0x2000})
	return s.survivedBy(id)
}

func (s scene) survivedBy(b pg.BranchID) scene {
	s.survivor.Branch = b
	return s
}

func (s scene) survived(by compare.Survivor) scene {
	s.survivor = by
	return s
}

// at gives all servers one address.
func (s scene) at(address string) scene {
	for i := range s.servers {
		s.servers[i].Address = address
	}
	return s
}

// Without a survivor integrity is not known, unless a split brain disproves it.
func TestIntegrityWithoutASurvivor(t *testing.T) {
	for split, acks := range map[bool][]ack{
		false: {{to: 1, sent: 0, end: 1}, {to: 2, sent: 2, end: 3}},
		true:  {{to: 2, sent: 0, end: 1}, {to: 1, sent: 2, end: 3}},
	} {
		_, _, res := promotion(acks...).survived(compare.Survivor{Why: "nobody was asked"}).splits(t)
		for _, o := range res.Objectives {
			if o.Name == compare.Integrity && (o.Known != split || (o.Verdict == compare.Breached) != split) {
				t.Errorf("split brain: %t, integrity: %+v", split, o)
			}
		}
	}
}

// A worker that moves to the new primary and back is split from by its own acks.
// Of an ack of which the connection is not known nobody knows the server.
func TestSplitBrainOfOneWorker(t *testing.T) {
	ev := newEvidence()
	ev.keep(0, before)
	ev.keep(0, after)
	ev.keep(0, before)
	id, ops := ev.send(0, txn.Entry{Outcome: txn.Acked})
	ev.mark(id, ops)
	_, found := ev.settle().judge(t, testCase())
	found = slices.DeleteFunc(found, func(f compare.Finding) bool { return f.Class != compare.SplitBrain })
	if len(found) != 1 || found[0].Seq != 3 {
		t.Errorf("found %v, want the third attempt", namesOf(found))
	}
}

// A server is named by an address at which that very process was reached.
func TestSplitBrainNamesTheProcess(t *testing.T) {
	_, _, res := promotion(ack{to: 1, sent: 0, end: 1}, ack{to: 2, sent: 2, end: 3}, ack{to: 1, sent: 4, end: 5}, ack{to: 2, sent: 8, end: 9}).
		onBranch(2, 1, 101).splits(t)
	if s := res.Splits[0]; s.Old.Address != "a:1" || s.New.Address != "b:1" {
		t.Errorf("old %v, new %v", s.Old, s.New)
	}
}

// A finding names both servers by their processes, and the verdict its reason.
func TestSplitBrainIsNamed(t *testing.T) {
	s := promotion(ack{to: 2, sent: 10, end: 20}, ack{to: 1, sent: 1520, end: 1525, lost: true}).at("proxy:1")
	s.servers[0].Start = pg.ProcessStart(testStart.UnixMicro() + 7)
	_, _, res := s.splits(t)
	want := "acknowledged by proxy:1 (timeline 1, branch 1, process of 2026-11-20 17:02:01.000007), and sent 1.5s after the first ack of " +
		"proxy:1 (timeline 2, branch 2, process of 1970-01-01 00:00:00.000200) was there"
	if got := res.Samples[compare.SplitBrain][0].Text; got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	if !slices.ContainsFunc(res.Reasons, func(r string) bool {
		return strings.Contains(r, "1 transaction was acknowledged by a server from which another had taken over")
	}) {
		t.Errorf("reasons %q", res.Reasons)
	}
}
