package journal

import (
	"context"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// queue adds a frame to what the next round writes, ahead of the entries that
// are put later.
func (j *Journal) queue(add func([]byte) ([]byte, error)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.err != nil:
		return j.err
	case j.state != open:
		return fmt.Errorf("write journal %s: %w", j.path, ErrClosed)
	case len(j.control) > mostBacklog:
		j.failLocked(trouble.Unreachable("write journal %s: the disk does not keep up, %d bytes wait", j.path, len(j.control)))
		return j.err
	}
	b, err := add(j.control)
	if err == nil {
		j.control = b
	}
	return err
}

// Connection numbers a connection of the driver, from 1, and keeps it. It sets
// Number, Observer and At. It is in the journal before each entry that is put
// later and names it.
func (j *Journal) Connection(c txn.Connection) (txn.Conn, error) {
	err := j.queue(func(b []byte) ([]byte, error) {
		c.Number = j.conns + 1
		c.Observer = int32(j.head.Driver)
		c.At = j.start.UnixNano() + int64(j.Now())
		b, err := appendConnection(b, c)
		if err == nil {
			j.conns = c.Number
		}
		return b, err
	})
	if err != nil {
		return 0, err
	}
	return c.Conn(), nil
}

// Probe keeps a probe sample. After Close or a failure it keeps nothing.
func (j *Journal) Probe(p txn.Probe) {
	// An error is the journal's own, which Failed tells.
	_ = j.queue(func(b []byte) ([]byte, error) { return appendProbe(b, p), nil })
}

// Stall keeps a stretch in which the driver did not run as it should. After
// Close or a failure it keeps nothing.
func (j *Journal) Stall(s txn.Stall) {
	_ = j.queue(func(b []byte) ([]byte, error) { return appendStall(b, s), nil })
}

// Event keeps something that the driver saw happen to the cluster. With an error,
// after Close or a failure, it is not kept.
func (j *Journal) Event(e txn.Event) error {
	return j.queue(func(b []byte) ([]byte, error) { return appendEvent(b, e) })
}

// Slot keeps a look at a replication slot. With an error, after Close or a failure,
// it is not kept.
func (j *Journal) Slot(s txn.SlotLook) error {
	return j.queue(func(b []byte) ([]byte, error) { return appendSlot(b, s) })
}

// Sentinel keeps an end transaction. It is durable when Sentinel returns.
func (j *Journal) Sentinel(ctx context.Context, s txn.Sentinel) error {
	if err := j.queue(func(b []byte) ([]byte, error) { return appendSentinel(b, s), nil }); err != nil {
		return err
	}
	return j.Sync(ctx)
}
