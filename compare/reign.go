package compare

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// server is a server process on a branch. A start of 0 is unknown.
type server struct {
	branch pg.BranchID
	start  pg.ProcessStart
}

func (s server) compare(o server) int {
	return cmp.Or(cmp.Compare(s.branch, o.branch), cmp.Compare(s.start, o.start))
}

// reign is what a driver saw of a server's acks: when it received the first of
// them, and when it sent the last attempt that was acked, by its own clock.
type reign struct{ first, last time.Duration }

func (r *reign) ack(e *txn.Entry) {
	r.first, r.last = min(r.first, e.End()), max(r.last, e.Sent)
}

// reigns are those of all servers, by driver. They are all that is kept of the
// ledgers to find each attempt that was sent too late.
type reigns map[server]map[txn.Driver]*reign

// of is the reign of a server by one driver, which is to be told of an ack.
func (r reigns) of(k lineKey) *reign {
	s := server{k.branch, k.start}
	if r[s] == nil {
		r[s] = make(map[txn.Driver]*reign)
	}
	if r[s][k.driver] == nil {
		r[s][k.driver] = &reign{first: math.MaxInt64, last: math.MinInt64}
	}
	return r[s][k.driver]
}

// rival is a server that took over from another, as a driver of the other sees
// it: its first ack was there at from, and what is sent past after is sent
// later than that, by that driver's clock.
type rival struct {
	server
	from, after time.Duration
}

// rivals are the first rival of a server of which the order is sure, and the
// first of all; nil where there is none.
type rivals struct{ sure, maybe *rival }

// findRivals finds for each server, and each driver that it acknowledged to,
// which server took over from it.
func (j *judge) findRivals() {
	for old, reigned := range j.reigns {
		for _, by := range slices.SortedFunc(maps.Keys(j.reigns), server.compare) {
			order := j.succeeds(by, old)
			if order == notAfter {
				continue
			}
			for d := range reigned {
				key := lineKey{d, old.branch, old.start}
				found := j.contests[key]
				found.add(j, by, order, d)
				j.contests[key] = found
			}
		}
	}
}

// add takes in a server that took over, as driver d sees it.
func (r *rivals) add(j *judge, by server, order certainty, d txn.Driver) {
	for e, reign := range j.reigns[by] {
		c := j.clocks(e, d)
		from := reign.first + c.shift
		switch min(order, c.best) {
		case surelyAfter:
			r.sure = earlier(r.sure, &rival{by, from, from + c.slack})
			fallthrough
		case maybeAfter:
			r.maybe = earlier(r.maybe, &rival{by, from, from})
		}
	}
}

// earlier is the rival that took over first.
func earlier(a, b *rival) *rival {
	if a == nil || cmp.Or(cmp.Compare(b.after, a.after), cmp.Compare(b.from, a.from), b.compare(a.server)) < 0 {
		return b
	}
	return a
}

// succeeds tells whether after the first ack of a server the old one must not
// acknowledge. That holds for each server on a line of WAL that leads away from
// the old one's branch, whether the old process was met before or not. Of two
// servers of which neither leads to the other, such as two that were promoted
// from one primary, or two processes on what looks like one log, only acks that
// overlap prove that both took writes at a time: this one must have gone on
// after the first ack of the old one, too. The old one is then the one that the
// survivor's log has left behind, or else the one that was met first. A process
// never succeeds itself.
func (j *judge) succeeds(by, old server) certainty {
	if by == old || by.start == old.start && by.start != 0 {
		return notAfter
	}
	if _, rel := j.facts.Branches.Cut(old.branch, by.branch); rel == pg.Ancestor {
		return surelyAfter
	}
	if _, rel := j.facts.Branches.Cut(by.branch, old.branch); rel == pg.Ancestor || by.start == 0 || old.start == 0 {
		return notAfter
	}
	switch mine, theirs := j.leads(old), j.leads(by); {
	case mine && !theirs, mine == theirs && !j.metBefore(old, by):
		return notAfter
	}
	return j.outlives(by, old)
}

// leads tells whether the survivor's log goes on from this server's.
func (j *judge) leads(s server) bool {
	_, rel := j.facts.Branches.Cut(s.branch, j.facts.Survivor.Branch)
	return rel == pg.Same || rel == pg.Ancestor
}

// metBefore orders two servers by their first acks, as far as the clocks tell.
func (j *judge) metBefore(a, b server) bool {
	return cmp.Or(j.met(a).Compare(j.met(b)), a.compare(b)) < 0
}

// met is when the first ack of a server came to any driver.
func (j *judge) met(s server) time.Time {
	var first time.Time
	for d, r := range j.reigns[s] {
		if at := j.drivers[d].Started.Add(j.drivers[d].Clock.Offset + r.first); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// outlives tells whether a acknowledged an attempt that was sent after an ack of
// b was there.
func (j *judge) outlives(a, b server) certainty {
	best := notAfter
	for d, late := range j.reigns[a] {
		for e, early := range j.reigns[b] {
			best = max(best, j.clocks(e, d).order(late.last, early.first))
		}
	}
	return best
}
