package selftest

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/selftest/plant"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// journalPlanters damage a copy of the journal's file, and take the account from
// what its reader makes of that.
func (t *Trial) journalPlanters() []*plant.Planter {
	return []*plant.Planter{
		plant.Custom("journal file cut off", t.cutFile),
		plant.Custom("byte turned in a frame of the journal file", t.turnByte),
	}
}

// cutFile loses the last bytes of the file, as a host does that dies.
func (t *Trial) cutFile(p *plant.Plot) bool {
	file := t.Journal[:len(t.Journal)-1-p.Chance().IntN(min(len(t.Journal)/2, 2000))]
	return t.reread(p, file)
}

func (t *Trial) turnByte(p *plant.Plot) bool {
	file := bytes.Clone(t.Journal)
	file[journalHead+p.Chance().IntN(len(file)-journalHead)] ^= 1 << p.Chance().IntN(8)
	return t.reread(p, file)
}

// journalHead is the size of what makes a file a journal: another one is not
// read at all.
const journalHead = 16

// reread takes the account from a file; false where something else was planted
// in what is missing there.
func (t *Trial) reread(p *plant.Plot, file []byte) bool {
	told, err := readJournal(file)
	if err != nil {
		p.Fault(fmt.Sprintf("the damaged journal was not read: %v", err))
		return true
	}
	d := driverOf(p.Evidence)
	keep, broken := map[txn.Worker]int{}, map[txn.Worker]int{}
	for w, ledger := range t.Base.Ledgers {
		if r, known := p.Reserve(w); !known || r.Driver != d || len(p.Ledgers[w]) < len(ledger) {
			continue
		}
		whole := told.from(w)
		if !slices.Equal(whole, ledger[:min(len(whole), len(ledger))]) {
			p.Fault(fmt.Sprintf("the damaged journal gives entries of worker %d that were never written", w))
		}
		switch {
		case told.last(w) > len(whole):
			broken[w] = len(whole)
		case len(whole) < len(ledger):
			keep[w] = len(whole)
		}
	}
	if len(told.holes) == 0 && told.closed {
		p.Fault("the damage of the journal was not noticed")
	}
	if !p.Shorten(keep) {
		return false
	}
	for w, after := range broken {
		p.Break(w, after)
	}
	if len(told.holes) > 0 {
		p.Damage(d, told.holes...)
	}
	if !told.closed {
		p.Unclose(d)
	}
	return true
}

// account is what the reader of a journal tells.
type account struct {
	blocks map[txn.Worker][]block
	holes  []string
	closed bool
}

type block struct {
	first   txn.Seq
	entries []txn.Entry
}

// from are the entries of a worker from seq 1 on, up to the first that is missing.
func (a *account) from(w txn.Worker) []txn.Entry {
	var all []txn.Entry
	for _, b := range a.blocks[w] {
		if b.first != txn.Seq(len(all)+1) {
			break
		}
		all = append(all, b.entries...)
	}
	return all
}

// last is the last seq of which there is an entry.
func (a *account) last(w txn.Worker) int {
	if blocks := a.blocks[w]; len(blocks) > 0 {
		b := blocks[len(blocks)-1]
		return int(b.first) + len(b.entries) - 1
	}
	return 0
}

func readJournal(file []byte) (_ *account, err error) {
	f, err := os.CreateTemp("", "pgrpo-selftest-*.journal")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(file); err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	r, err := journal.Open(f.Name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	a := &account{blocks: map[txn.Worker][]block{}}
	for _, hole := range r.Holes() {
		a.holes = append(a.holes, hole.String())
	}
	for frame, err := range r.Frames() {
		if err != nil {
			return nil, err
		}
		switch body := frame.Body.(type) {
		case journal.Closed:
			a.closed = true
		case journal.Entries:
			b := block{first: body.First}
			for i := range body.Len() {
				e, err := body.Decode(i)
				if err != nil {
					return nil, err
				}
				b.entries = append(b.entries, e)
			}
			a.blocks[body.Worker] = append(a.blocks[body.Worker], b)
		}
	}
	return a, nil
}
