package capture

import (
	"errors"
	"fmt"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Fate is what becomes of a transaction by its position alone.
type Fate uint8

// The fates. The zero value stores: what is not known to be stored is stored.
const (
	// Keep stores the transaction.
	Keep Fate = iota
	// Resent drops it: it is in the repo.
	Resent
	// Early drops it: it lies below the run's first consistent point.
	Early
)

// Ruler rules on a transaction by where its commit record starts: the branch
// that owns it, and its fate.
type Ruler interface {
	Rule(start pg.LSN) (pg.BranchID, Fate)
}

// Assembler turns the messages of one connection into commits. It is pure: it
// holds the state of the stream between two messages and does nothing else.
// Relations hold for one connection, so each has an Assembler of its own.
type Assembler struct {
	run    txn.Run
	ruler  Ruler
	limit  int
	tables map[uint32]*table
	open   open
}

// open is the transaction being heard. Its zero value is none.
type open struct {
	under  bool
	branch pg.BranchID
	fate   Fate
	start  pg.LSN
	xid    pg.Xid
	at     pgoutput.Timestamp
	// txn.Commit fields as the marker gives them, and as the changes add up.
	marked  bool
	marker  txn.Marker
	seen    int32
	seenSum txn.Sum
	index   int32
	// changes and raw are where the transaction begins in the batch.
	changes, raw, bytes int
	// disordered says that changes came before the marker.
	disordered bool
	// overflow says that more came before the marker than a batch holds.
	overflow bool
	// parts says that changes of it went with earlier batches.
	parts bool
	token *txn.Sentinel
}

// NewAssembler makes an assembler for the changes of one run. A batch is sealed
// once it holds limit bytes, also within a transaction.
func NewAssembler(run txn.Run, limit int, ruler Ruler) *Assembler {
	return &Assembler{run: run, ruler: ruler, limit: limit, tables: make(map[uint32]*table)}
}

// Under tells whether a transaction is open: its commit was not heard yet.
func (a *Assembler) Under() bool { return a.open.under }

// Step takes one message into b. It returns true when b holds as much as it
// may: the caller then goes on with another batch. The position is not used: it
// is that of the transaction for a commit alone, and 0/0 for many messages
// (WalSndPrepareWrite in walsender.c).
//
// An error means that the stream cannot be understood; nothing after it may be
// taken in.
func (a *Assembler) Step(_ pg.LSN, m *pgoutput.Message, b *Batch) (sealed bool, err error) {
	switch m.Kind {
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
		err = a.change(m, b)
	case pgoutput.KindBegin:
		err = a.begin(&m.Begin, b)
	case pgoutput.KindCommit:
		err = a.commit(&m.Commit, b)
	case pgoutput.KindRelation:
		err = a.relation(&m.Relation)
	case pgoutput.KindTruncate:
		a.truncate(&m.Truncate, b)
	case pgoutput.KindLogical:
		a.message(&m.Logical)
	default:
		// Types and origins say nothing that is stored, and an abort of a
		// streamed transaction means nothing where none was asked for.
	}
	if err != nil {
		return false, err
	}
	return a.full(b), nil
}

// Abandon takes what b holds of the open transaction out of it, but goes on
// naming it where parts of it were stored. Only a stream that ends calls it: the
// server sends the transaction again.
func (a *Assembler) Abandon(b *Batch) {
	if !a.open.under {
		return
	}
	a.drop(b)
	if a.open.parts {
		b.Open = a.open.name()
	}
	a.open = open{}
}

func (o *open) name() *repo.Part {
	return &repo.Part{Worker: o.marker.Worker, Seq: o.marker.Seq, LSN: o.start}
}

func (a *Assembler) begin(m *pgoutput.Begin, b *Batch) error {
	if a.open.under {
		return fmt.Errorf("assemble transaction %d: begins before transaction %d has ended", m.Xid, a.open.xid)
	}
	a.open = open{
		under: true, start: m.FinalLSN, xid: m.Xid, at: m.CommitTime,
		changes: len(b.Changes), raw: len(b.raw), bytes: b.Bytes,
	}
	a.open.branch, a.open.fate = a.ruler.Rule(m.FinalLSN)
	return nil
}

func (a *Assembler) relation(m *pgoutput.Relation) error {
	t, err := describe(m)
	if err != nil {
		return err
	}
	a.tables[m.OID] = t
	return nil
}

var errOutside = errors.New("assemble change: it stands outside of any transaction")

func (a *Assembler) change(m *pgoutput.Message, b *Batch) error {
	if !a.open.under {
		return errOutside
	}
	t, known := a.tables[m.Row.RelationOID]
	switch {
	case !known:
		return fmt.Errorf("assemble change: table with oid %d was not described", m.Row.RelationOID)
	case t.what == markerTable:
		return a.mark(m, t, b)
	case t.what == workerTable:
		return a.row(m, t, b)
	default:
		return nil
	}
}

// mark takes in a change of the marker table: nothing but an insert is ours.
func (a *Assembler) mark(m *pgoutput.Message, t *table, b *Batch) error {
	if m.Kind != pgoutput.KindInsert {
		a.event(b, EventMarker, fmt.Sprintf("%s of a marker: markers are never changed", m.Kind))
		return nil
	}
	marker, err := t.marker(m.Row.New)
	if err != nil {
		return fmt.Errorf("assemble marker: %w", err)
	}
	switch {
	case marker.Run != a.run:
		return nil
	case a.open.marked:
		a.event(b, EventMarker, fmt.Sprintf("a second marker, of %v, in the transaction of %v", marker.ID, a.open.marker.ID))
		return nil
	}
	a.open.marked, a.open.marker = true, marker
	if a.open.seen > 0 {
		a.open.disordered = true
		a.event(b, EventDisorder, fmt.Sprintf("%d changes came before the marker of %v", a.open.seen, marker.ID))
		a.adopt(b)
	}
	return nil
}

// adopt gives the deletes that came before the marker their attempt: their
// messages carry the key only.
func (a *Assembler) adopt(b *Batch) {
	for i := a.open.changes; i < len(b.Changes); i++ {
		c := &b.Changes[i]
		if c.Kind != txn.Delete {
			continue
		}
		a.open.seenSum ^= c.Sum
		c.Seq = a.open.marker.Seq
		c.Sum = txn.SumOf(c.ID, c.Row, c.Kind, nil)
		a.open.seenSum ^= c.Sum
	}
}

// row takes in a change of a worker's table.
func (a *Assembler) row(m *pgoutput.Message, t *table, b *Batch) error {
	tuple, kind := m.Row.New, txn.Insert
	switch m.Kind {
	case pgoutput.KindUpdate:
		kind = txn.Update
	case pgoutput.KindDelete:
		tuple, kind = m.Row.Old, txn.Delete
	}
	run, id, err := t.key(tuple)
	if err != nil {
		return fmt.Errorf("assemble %s of worker %d's row: %w", kind, t.worker, err)
	}
	if run != a.run {
		return nil
	}
	c := txn.Change{
		ID: txn.ID{Run: run, Worker: t.worker, Seq: a.open.marker.Seq}, Row: id,
		LSN: a.open.start, Xid: a.open.xid, Index: a.open.index, Kind: kind,
	}
	if kind == txn.Delete {
		c.Sum = txn.SumOf(c.ID, id, kind, nil)
	} else {
		seq, stored, payload, err := t.version(tuple)
		if err != nil {
			return fmt.Errorf("assemble %s of worker %d's row %d: %w", kind, t.worker, id, err)
		}
		c.Seq = seq
		signed := c.ID
		if a.open.marker.Worker == txn.SentinelWorker {
			// The rows of an end transaction are signed by its marker.
			signed.Worker = txn.SentinelWorker
		}
		c.Sum = txn.SumOf(signed, id, kind, payload)
		if c.Sum != stored && a.open.fate == Keep && !a.open.overflow {
			c.Raw = b.keep(payload)
		}
	}
	a.open.index++
	a.open.seen++
	a.open.seenSum ^= c.Sum
	if a.open.fate == Keep && !a.open.overflow {
		b.Changes = append(b.Changes, c)
		b.Bytes += changeBytes
	}
	return nil
}

// full tells whether b must go, and prepares the open transaction for being
// continued in another batch.
func (a *Assembler) full(b *Batch) bool {
	if b.Bytes < a.limit {
		return false
	}
	if !a.open.under {
		return true
	}
	if !a.open.marked {
		// Without a marker no part can be named, so none is stored.
		a.drop(b)
		a.open.overflow = true
		return false
	}
	b.Open = a.open.name()
	a.open.parts = true
	a.open.changes, a.open.raw, a.open.bytes = 0, 0, 0
	return true
}

func (a *Assembler) drop(b *Batch) {
	b.Changes, b.raw, b.Bytes = b.Changes[:a.open.changes], b.raw[:a.open.raw], a.open.bytes
}

func (a *Assembler) commit(m *pgoutput.Commit, b *Batch) error {
	o := &a.open
	if !o.under || m.LSN != o.start {
		return fmt.Errorf("assemble commit at %v: the open transaction commits at %v", m.LSN, o.start)
	}
	switch {
	case !o.marked && o.seen > 0:
		if o.fate == Keep {
			a.drop(b)
			b.Alien++
			a.event(b, EventAlien, fmt.Sprintf("%d changes of the run without a marker", o.seen))
		}
	case !o.marked:
	case o.fate == Resent:
		b.Duplicates++
		if !o.disordered {
			// What came before the marker was not summed up.
			b.Resent = append(b.Resent, o.made(m))
			b.Bytes += commitBytes
		}
	case o.fate == Early:
		b.BeforeCapture++
	default:
		b.Commits = append(b.Commits, o.made(m))
		b.Bytes += commitBytes
		b.newest = o.at.Time()
	}
	if o.marked && o.marker.Worker == txn.SentinelWorker {
		b.Sentinels = append(b.Sentinels, o.arrival(m.EndLSN))
	}
	b.End = max(b.End, m.EndLSN)
	a.open = open{}
	return nil
}

// made is the transaction as it is stored.
func (o *open) made(m *pgoutput.Commit) txn.Commit {
	return txn.Commit{
		ID: o.marker.ID, Branch: o.branch, LSN: m.LSN, End: m.EndLSN, CommittedAt: o.at.Time(), Xid: o.xid,
		Ops: o.marker.Ops, Sum: o.marker.Sum, Seen: o.seen, SeenSum: o.seenSum,
	}
}

func (a *Assembler) truncate(m *pgoutput.Truncate, b *Batch) {
	for _, oid := range m.RelationOIDs {
		switch t := a.tables[oid]; {
		case t == nil:
		case t.what == markerTable:
			a.event(b, EventTruncate, "TRUNCATE of the markers")
		case t.what == workerTable:
			a.event(b, EventTruncate, "TRUNCATE of "+txn.TableOf(t.worker))
		}
	}
}

func (a *Assembler) message(m *pgoutput.Logical) {
	if !a.open.under || !m.Transactional || string(m.Prefix) != node.EndPrefix {
		return
	}
	if run, s, ok := parseToken(m.Content); ok && run == a.run {
		a.open.token = &s
	}
}

func (a *Assembler) event(b *Batch, kind EventKind, text string) {
	b.Events = append(b.Events, Event{
		Kind: kind, Position: pg.Position{Branch: a.open.branch, LSN: a.open.start}, Xid: a.open.xid, Text: text,
	})
}
