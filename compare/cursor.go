package compare

import (
	"cmp"
	"fmt"
	"iter"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// cursor walks one stream of a worker beside others, and refuses a stream that
// is out of order: a merge of it would find losses that are none.
type cursor[T any] struct {
	name   string
	worker txn.Worker
	run    txn.Run
	id     func(*T) txn.ID
	order  func(a, b *T) int
	strict bool
	next   func() (T, error, bool)
	stop   func()
	// head is the element under the cursor, past the one before it: both
	// are fields so that none moves to the heap by itself.
	head, past T
	ok         bool
}

func markerCursor(run txn.Run, w txn.Worker, seq iter.Seq2[txn.Marker, error]) *cursor[txn.Marker] {
	c := &cursor[txn.Marker]{
		name: "markers", run: run, worker: w, strict: true,
		id:    func(m *txn.Marker) txn.ID { return m.ID },
		order: func(a, b *txn.Marker) int { return cmp.Compare(a.Seq, b.Seq) },
	}
	c.next, c.stop = iter.Pull2(seq)
	return c
}

func commitCursor(run txn.Run, w txn.Worker, seq iter.Seq2[txn.Commit, error]) *cursor[txn.Commit] {
	c := &cursor[txn.Commit]{
		name: "commits", run: run, worker: w,
		id: func(m *txn.Commit) txn.ID { return m.ID },
		order: func(a, b *txn.Commit) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.LSN, b.LSN))
		},
	}
	c.next, c.stop = iter.Pull2(seq)
	return c
}

// advance moves to the next element.
func (c *cursor[T]) advance() error {
	head, err, ok := c.next()
	if !ok {
		c.ok = false
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s of worker %d: %w", c.name, c.worker, err)
	}
	c.past, c.head = c.head, head
	if id := c.id(&c.head); id.Run != c.run || id.Worker != c.worker {
		return fmt.Errorf("read %s of worker %d: found one of run %d, worker %d", c.name, c.worker, id.Run, id.Worker)
	}
	if c.ok {
		if o := c.order(&c.past, &c.head); o > 0 || o == 0 && c.strict {
			return fmt.Errorf("read %s of worker %d: seq %d comes after seq %d", c.name, c.worker, c.id(&c.head).Seq, c.id(&c.past).Seq)
		}
	}
	c.ok = true
	return nil
}

// seq is the seq of the head.
func (c *cursor[T]) seq() txn.Seq { return c.id(&c.head).Seq }
