package compare_test

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// capture is what the stream showed of the logs so far.
type capture struct {
	// early is how many of the first records were committed before it began,
	// and start its first consistent point.
	early   int
	start   pg.LSN
	started bool
	// read is how many records of the server's log it has been through.
	read       int
	stored     []txn.Commit
	duplicates int64
	gaps       []txn.Gap
	// cut says that its end did not come.
	cut bool
}

// begin sets the first consistent point.
func (c *capture) begin(s *server) {
	if c.started {
		return
	}
	c.started, c.early, c.start = true, min(c.early, len(s.records)), 0x1000
	if c.early > 0 {
		c.start = s.records[c.early-1].end
	}
	c.read = c.early
}

// follow reads on in the server's log, to its end or to where the stream was cut.
func (w *world) follow(cut bool) {
	s, c := w.server, &w.capture
	c.begin(s)
	to := len(s.records)
	if c.cut = cut; cut {
		to = c.read + w.upto("behind", to-c.read)
	}
	for _, r := range s.records[c.read:to] {
		w.store(r)
	}
	c.read = to
}

// store keeps a record by the branch that owns it, as far as that can be told,
// and drops what is stored.
func (w *world) store(r record) {
	owner := w.branches.Owner(pg.Position{Branch: w.server.branch, LSN: r.start})
	c := txn.Commit{ID: r.id, Branch: owner, LSN: r.start, End: r.end, Xid: r.xid, Ops: int32(len(r.ops)), Sum: sumOf(w.c, r)}
	c.Seen, c.SeenSum = c.Ops, c.Sum
	if slices.Contains(w.capture.stored, c) {
		w.capture.duplicates++
		return
	}
	w.capture.stored = append(w.capture.stored, c)
}

// resume puts capture where it may go on in the new server's log, of which it
// has the first records in common with the old one's.
func (w *world) resume(old, next *server) {
	c := &w.capture
	c.read = min(c.read, len(next.records))
	if _, rel := w.branches.Cut(old.branch, next.branch); rel == pg.Unknown {
		c.read = min(c.early, len(next.records))
	}
	c.read = max(min(c.early, c.read), c.read-w.upto("resent", 2))
	if !w.chance("slot lost", 6) {
		return
	}
	g := txn.Gap{Branch: next.branch, To: next.insert, Reason: "the slot was gone"}
	if c.read > 0 {
		g.From = next.records[c.read-1].end
	}
	c.gaps, c.read = append(c.gaps, g), len(next.records)
}

// sumOf is the checksum that a marker promises.
func sumOf(c compare.Case, r record) txn.Sum {
	return promised(c, txn.Attempt{ID: r.id, Ops: r.ops})
}

// evidence is what is known of the run in the end.
func (w *world) evidence() *evidence {
	ev := &evidence{
		entries: map[txn.Worker][]txn.Entry{}, markers: map[txn.Worker][]txn.Marker{},
		commits: map[txn.Worker][]txn.Commit{}, tables: w.copied(), clock: w.clock,
	}
	f := &ev.facts
	branchOf := map[txn.Driver][]pg.BranchID{}
	for _, d := range w.drivers {
		told := d.Driver
		told.Started = told.Started.Add(-told.Clock.Offset)
		f.Drivers = append(f.Drivers, told)
		branchOf[d.ID] = d.branchOf
		if d.pooled {
			f.Poolers = []string{"pooler:6432"}
		}
	}
	f.BranchOf = func(d txn.Driver, c txn.Conn) pg.BranchID {
		if c < 1 || int(c) > len(branchOf[d]) {
			return 0
		}
		return branchOf[d][c-1]
	}
	f.Branches = slices.Clone(w.branches)
	f.Survivor = compare.Survivor{Branch: w.server.branch, Name: "b", Proven: true}
	if w.chance("process known", 2) {
		f.Survivor.Start = w.server.start
	}
	f.Slot.Fate = rapid.SampledFrom([]compare.SlotFate{compare.SlotKept, compare.SlotKept, compare.SlotUnproven}).Draw(w.t, "slot")
	f.Unresolved = map[txn.ID]string{}
	kept := w.survivors()
	f.TableWorkers = []txn.Worker{}
	for _, k := range w.workers {
		ev.entries[k.id] = slices.Clone(k.entries)
		used := txn.Seq(len(k.entries))
		f.Reserves = append(f.Reserves, txn.Reserve{Worker: k.id, Driver: k.driver.ID, Upto: used + 8 - used%8, Used: used, Closed: true})
		f.Workers, f.TableWorkers = append(f.Workers, k.id), append(f.TableWorkers, k.id)
		for i, e := range k.entries {
			id := txn.ID{Run: w.c.Run, Worker: k.id, Seq: txn.Seq(i + 1)}
			if e.Outcome == txn.InDoubt && !kept[id] && w.chance("unresolved", 20) {
				f.Unresolved[id] = "a backend is left"
			}
		}
	}
	for _, r := range w.server.records {
		ev.markers[r.id.Worker] = append(ev.markers[r.id.Worker], txn.Marker{ID: r.id, Ops: int32(len(r.ops)), Sum: sumOf(w.c, r)})
	}
	w.end(ev)
	c := w.capture
	for _, m := range c.stored {
		ev.commits[m.Worker] = append(ev.commits[m.Worker], m)
	}
	f.Capture.Heard, f.Capture.Complete, f.Capture.Duplicates, f.Capture.Gaps = true, !c.cut, c.duplicates, c.gaps
	f.Capture.Start = pg.Position{Branch: 1, LSN: c.start}
	ev.sort()
	return ev
}

// end adds the end transaction.
func (w *world) end(ev *evidence) {
	end := txn.ID{Run: w.c.Run, Worker: txn.SentinelWorker, Seq: 1}
	tables := int32(len(w.workers))
	ev.facts.Sentinels, ev.facts.SentinelKept = []txn.Sentinel{{Number: 1}}, []int32{1}
	ev.markers[-1] = []txn.Marker{{ID: end, Ops: tables}}
	for _, k := range w.workers {
		ev.tables[k.id][-1] = contentOf(w.c, end, -1, txn.Insert)
	}
	if !w.capture.cut {
		s := w.server
		ev.commits[-1] = []txn.Commit{{ID: end, Branch: s.branch, LSN: s.insert, End: s.insert + 0x30, Ops: tables, Seen: tables}}
	}
}

// sort puts the streams into their order, and lists whose they are.
func (ev *evidence) sort() {
	ev.facts.MarkerWorkers, ev.facts.CommitWorkers = nil, nil
	for w, all := range ev.markers {
		slices.SortFunc(all, func(a, b txn.Marker) int { return cmp.Compare(a.Seq, b.Seq) })
		if len(all) > 0 {
			ev.facts.MarkerWorkers = append(ev.facts.MarkerWorkers, w)
		}
	}
	for w, all := range ev.commits {
		slices.SortStableFunc(all, func(a, b txn.Commit) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.LSN, b.LSN))
		})
		if len(all) > 0 {
			ev.facts.CommitWorkers = append(ev.facts.CommitWorkers, w)
		}
	}
	slices.Sort(ev.facts.MarkerWorkers)
	slices.Sort(ev.facts.CommitWorkers)
}
