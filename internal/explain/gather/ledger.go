package gather

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// step is one entry of the ledger, with what its worker knew at it.
type step struct {
	txn.ID
	entry txn.Entry
	line  line
	// min is the last LSN that the connection was told: the commit record starts
	// at or past it. 0 is unknown.
	min pg.LSN
}

// line is one server process as one driver saw it: its LSNs only grow.
type line struct {
	driver txn.Driver
	branch pg.BranchID
	start  pg.ProcessStart
}

// told tells whether the line is known as far as positions on it can be compared.
func (l line) told() bool { return l.branch != 0 && l.start != 0 }

// workers lists the workers with an account.
func (s *Source) workers() []txn.Worker { return slices.Sorted(maps.Keys(s.reserves)) }

// steps walks one worker's ledger from seq 1 on. An error ends it.
func (s *Source) steps(w txn.Worker) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		driver := s.reserves[w].Driver
		at := step{ID: txn.ID{Run: s.evidence.Record.Run, Worker: w}}
		var conn txn.Conn
		for e, err := range s.live.Entries(w) {
			if err != nil {
				yield(step{}, err)
				return
			}
			at.Seq++
			at.entry = e
			if e.Conn != 0 {
				if e.Conn != conn {
					conn, at.min = e.Conn, 0
					at.line = line{driver, s.evidence.BranchOf(driver, conn), s.conns[connKey{driver, conn}].Start}
				}
				if e.LSN != 0 {
					at.min = e.LSN
				}
			}
			if !yield(at, nil) {
				return
			}
		}
	}
}

// all walks the ledgers of all workers.
func (s *Source) all() iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		for _, w := range s.workers() {
			for at, err := range s.steps(w) {
				if !yield(at, err) || err != nil {
					return
				}
			}
		}
	}
}

// bound is what the client knows of where a commit record lies.
type bound struct {
	step
	max pg.LSN
}

// bounds walks all ledgers once, and bounds the commit records of the attempts that
// are asked for and have an entry: the least LSN that the same server process told
// to any attempt sent after the ack is an upper bound of its end.
func (s *Source) bounds(ids []txn.ID) (map[txn.ID]*bound, error) {
	wanted := make(map[txn.ID]*bound, len(ids))
	for _, id := range ids {
		wanted[id] = nil
	}
	byLine := make(map[line][]*bound)
	for at, err := range s.all() {
		if err != nil {
			return nil, err
		}
		if _, asked := wanted[at.ID]; !asked {
			continue
		}
		b := &bound{step: at}
		if at.entry.Conn == 0 {
			b.line, b.min = line{}, 0
		}
		wanted[at.ID] = b
		if at.entry.Outcome.IsAck() && b.line.told() {
			byLine[b.line] = append(byLine[b.line], b)
		}
	}
	if len(byLine) == 0 {
		return wanted, nil
	}
	// From the earliest ack on, whoever is told less bounds those before it.
	for l, of := range byLine {
		slices.SortFunc(of, func(a, b *bound) int { return cmp.Compare(a.entry.End(), b.entry.End()) })
		byLine[l] = of
	}
	for at, err := range s.all() {
		if err != nil {
			return nil, err
		}
		of := byLine[at.line]
		if at.entry.LSN == 0 || at.entry.Conn == 0 || len(of) == 0 {
			continue
		}
		// Of all acks before it, the last carries the bound; the sweep below
		// hands it down to the earlier ones.
		i, _ := slices.BinarySearchFunc(of, at.entry.Sent, func(b *bound, sent time.Duration) int {
			if b.entry.End() < sent {
				return -1
			}
			return 1
		})
		if i > 0 {
			of[i-1].max = lesser(of[i-1].max, at.entry.LSN)
		}
	}
	for _, of := range byLine {
		for i := len(of) - 2; i >= 0; i-- {
			of[i].max = lesser(of[i].max, of[i+1].max)
		}
	}
	return wanted, nil
}

// lesser is the lesser of two LSNs of which 0 means unknown.
func lesser(a, b pg.LSN) pg.LSN {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
