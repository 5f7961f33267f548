package plant

import (
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// word is what a witness says of an attempt.
type word int8

const (
	silent word = iota
	lives
	lost
)

// rowsSay is the word of the rows.
func (e *Evidence) rowsSay(id txn.ID) word {
	if _, there := e.Marks[id.Worker][id.Seq]; there {
		return lives
	}
	if _, open := e.Facts.Unresolved[id]; open {
		return silent
	}
	return lost
}

// there tells whether the marker of an attempt is on the survivor.
func (e *Evidence) there(id txn.ID) bool { return e.rowsSay(id) == lives }

// commits are those that the stream showed of an attempt.
func (e *Evidence) commits(id txn.ID) []txn.Commit {
	var all []txn.Commit
	for _, c := range e.Stream[id.Worker] {
		if c.Seq == id.Seq {
			all = append(all, c)
		}
	}
	return all
}

// logSays is the word of the log: an attempt that the stream showed at several
// positions survives if it does at any, and is lost if it is at all of them.
func (e *Evidence) logSays(commits []txn.Commit) word {
	said := silent
	if len(commits) > 0 {
		said = lost
	}
	for _, c := range commits {
		switch e.holds(pg.Position{Branch: c.Branch, LSN: c.LSN}) {
		case lives:
			return lives
		case silent:
			said = silent
		}
	}
	return said
}

// holds tells whether the survivor holds the record at a position: it lies on
// its own branch, or on an ancestor below every switchpoint in between.
func (e *Evidence) holds(p pg.Position) word {
	branches := e.Facts.Branches
	at, below := e.Facts.Survivor.Branch, pg.LSN(1<<64-1)
	for range branches {
		b, known := branches.Of(at)
		switch {
		case !known || p.Branch == 0:
			return silent
		case at == p.Branch:
			if p.LSN < below {
				return lives
			}
			return lost
		case b.Unclear || b.Parent == 0:
			// A planter makes no branch of which more could be said.
			return silent
		}
		below, at = min(below, b.Fork), b.Parent
	}
	return silent
}

// lineKey is one server process on one branch, as one driver met it.
type lineKey struct {
	driver txn.Driver
	branch pg.BranchID
	start  pg.ProcessStart
}

// told is what the attempts that were sent to one server process were told: the
// time each was sent, ascending, and the least LSN from there on.
type told struct {
	sent  []time.Duration
	least []pg.LSN
}

// boundsOf gathers what all attempts were told.
func boundsOf(e *Evidence) map[lineKey]*told {
	type one struct {
		sent time.Duration
		lsn  pg.LSN
	}
	all := map[lineKey][]one{}
	for w, entries := range e.Ledgers {
		r, _ := e.Reserve(w)
		for _, entry := range entries {
			if key := e.line(r.Driver, entry.Conn); entry.LSN != 0 && key.branch != 0 && key.start != 0 {
				all[key] = append(all[key], one{entry.Sent, entry.LSN})
			}
		}
	}
	bounds := map[lineKey]*told{}
	for key, list := range all {
		slices.SortFunc(list, func(a, b one) int { return int(a.sent - b.sent) })
		t := &told{sent: make([]time.Duration, len(list)), least: make([]pg.LSN, len(list))}
		least := pg.LSN(1<<64 - 1)
		for i, o := range slices.Backward(list) {
			least = min(least, o.lsn)
			t.sent[i], t.least[i] = o.sent, least
		}
		bounds[key] = t
	}
	return bounds
}

// after is the least LSN that any attempt sent after a time was told, 0 none.
func (t *told) after(at time.Duration) pg.LSN {
	if t == nil {
		return 0
	}
	i, _ := slices.BinarySearch(t.sent, at+1)
	if i == len(t.sent) {
		return 0
	}
	return t.least[i]
}

func (e *Evidence) line(d txn.Driver, c txn.Conn) lineKey {
	key := lineKey{driver: d, branch: e.branchOf(d, c)}
	for _, driver := range e.Facts.Drivers {
		for _, known := range driver.Connections {
			if driver.ID == d && known.Conn() == c {
				key.start = known.Start
			}
		}
	}
	return key
}

// grain is how finely a judge needs to tell times apart: an attempt sent within
// it after an ack may or may not count as sent after that ack.
const grain = 10 * time.Millisecond

// clientSays is the word of the LSNs that the client was told, of an acked
// attempt that was not captured. It is sure where it does not hang on the grain.
func (p *Plot) clientSays(w txn.Worker, e txn.Entry, min pg.LSN) (said word, sure bool) {
	r, _ := p.Reserve(w)
	key := p.line(r.Driver, e.Conn)
	if !e.Outcome.IsAck() || key.branch == 0 || key.branch == p.Facts.Survivor.Branch {
		return silent, true
	}
	if min != 0 && p.holds(pg.Position{Branch: key.branch, LSN: min}) == lost {
		return lost, true
	}
	below := func(at time.Duration) word {
		if top := p.bounds[key].after(at); top != 0 && p.holds(pg.Position{Branch: key.branch, LSN: top - 1}) == lives {
			return lives
		}
		return silent
	}
	said = below(e.End())
	return said, said == below(e.End()+grain)
}

// acrossAll tells whether findings of a class hang on more than one attempt, or
// on several witnesses.
func acrossAll(class compare.Class) bool {
	return class == compare.Hole || class == compare.WitnessDisagreement || class == compare.SplitBrain
}

// across are the findings that hang on all that was planted: contradictions of
// the witnesses, holes, and split brains. The result is false where a word is not sure.
func (p *Plot) across() (map[Key]int, bool) {
	found, sure := map[Key]int{}, true
	for w, entries := range p.Ledgers {
		var conn txn.Conn
		var told pg.LSN
		var open []txn.Seq
		for i, e := range entries {
			id := txn.ID{Run: p.Case.Run, Worker: w, Seq: txn.Seq(i + 1)}
			// An attempt that met no server says nothing of the session that
			// goes on after it.
			if e.Conn != conn && e.Conn != 0 {
				conn, told, open = e.Conn, 0, nil
			}
			if e.LSN != 0 {
				told = e.LSN
			}
			commits := p.shown[id]
			rows, log, client := p.rowsSay(id), p.logSays(commits), silent
			if len(commits) == 0 {
				known := true
				client, known = p.clientSays(w, e, told)
				// Either word may contradict nothing.
				sure = sure && (known || contradict(rows, log, lives) == contradict(rows, log, silent))
			}
			if p.late(w, e) {
				found[Key{Class: compare.SplitBrain, Worker: w, Seq: id.Seq}]++
			}
			if contradict(rows, log, client) {
				found[Key{Class: compare.WitnessDisagreement, Worker: w, Seq: id.Seq}]++
			}
			switch hole := (Key{Class: compare.Hole, Worker: w, Seq: id.Seq}); {
			case rows == lost && e.Outcome.IsAck() && log == lives:
				found[hole]++
			case rows == lost && e.Outcome.IsAck() && e.Conn != 0:
				open = append(open, id.Seq)
			case rows == lives && e.Outcome != txn.Failed && e.Conn != 0:
				for _, seq := range open {
					found[Key{Class: compare.Hole, Worker: w, Seq: seq}]++
				}
				open = nil
			}
		}
	}
	// Of what no entry tells, rows and log may still say something.
	for id, commits := range p.shown {
		if int(id.Seq) <= len(p.Ledgers[id.Worker]) || p.announced(id) {
			continue
		}
		if contradict(p.rowsSay(id), p.logSays(commits), silent) {
			found[Key{Class: compare.WitnessDisagreement, Worker: id.Worker, Seq: id.Seq}]++
		}
	}
	return found, sure
}

func contradict(words ...word) bool {
	return slices.Contains(words, lives) && slices.Contains(words, lost)
}

// announced tells whether an attempt is an end transaction that was announced.
func (e *Evidence) announced(id txn.ID) bool {
	return id.Worker == txn.SentinelWorker && slices.ContainsFunc(e.Facts.Sentinels, func(s txn.Sentinel) bool {
		return txn.Seq(s.Number) == id.Seq
	})
}

// late tells whether an attempt was acked by a server from whose branch another
// was promoted, and sent after that one's first ack was there. Only one driver's
// own clock tells.
func (p *Plot) late(w txn.Worker, e txn.Entry) bool {
	r, _ := p.Reserve(w)
	old := p.line(r.Driver, e.Conn)
	if !e.Outcome.IsAck() || old.branch == 0 {
		return false
	}
	for _, b := range p.Facts.Branches {
		if b.Parent != old.branch || b.Unclear {
			continue
		}
		first := p.firsts[b.ID]
		by := p.line(first.driver, first.Conn)
		if first.driver == r.Driver && first.Outcome.IsAck() && e.Sent > first.End() && by.start != old.start {
			return true
		}
	}
	return false
}

// ack is an entry of a driver that was acked.
type ack struct {
	driver txn.Driver
	txn.Entry
}

// takeovers are the first acks of all branches.
func (p *Plot) takeovers() map[pg.BranchID]ack {
	firsts := map[pg.BranchID]ack{}
	for _, b := range p.Facts.Branches {
		if id, e := p.firstAck(b.ID); id != (txn.ID{}) {
			r, _ := p.Reserve(id.Worker)
			firsts[b.ID] = ack{r.Driver, e}
		}
	}
	return firsts
}
