package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
)

// errRetained says that the slot holds back more of the server's log than it
// may.
type errRetained struct{ bytes, most int64 }

func (e *errRetained) Error() string {
	return fmt.Sprintf("slot dropped: it held back %d MB of the server's log, and may hold back %d MB", e.bytes>>20, e.most>>20)
}

// weigh fails with an [*errRetained] if the slot holds back too much.
func (c *Capture) weigh(ctx context.Context, conn *pgconn.PgConn) error {
	if c.config.MaxRetained <= 0 {
		return nil
	}
	slot, found, err := node.FindSlot(ctx, conn, c.config.Slot)
	if err != nil || !found || slot.Retained <= c.config.MaxRetained {
		return err
	}
	return &errRetained{slot.Retained, c.config.MaxRetained}
}

// relieve drops the slot where it holds back too much: as the session found, or
// as a look finds while the repo is away and there is no session. The slot is
// made again, and the gap recorded, as soon as the repo answers.
func (c *Capture) relieve(ctx context.Context, err error) {
	full, ok := errors.AsType[*errRetained](err)
	if !ok && errors.Is(err, errStore) && time.Since(c.retainedAt) > lookEvery {
		c.retainedAt = time.Now()
		_, err = c.ask(ctx)
		full, ok = errors.AsType[*errRetained](err)
	}
	if !ok {
		return
	}
	if err := c.dropSlot(ctx); err != nil {
		c.log.Warn("the slot holds back too much of the server's log and was not dropped", "slot", c.config.Slot, "error", err)
		return
	}
	c.dropped = full.Error()
	c.log.Warn(c.dropped, "slot", c.config.Slot)
	c.event(Event{Kind: EventSlotDropped, Text: c.dropped})
}

func (c *Capture) dropSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	reader, err := c.reader(ctx)
	if err != nil {
		return err
	}
	conn, err := node.Connect(ctx, reader, c.app())
	if err != nil {
		return err
	}
	defer node.Close(conn)
	return node.DropSlot(ctx, conn, c.config.Slot, dropPatience)
}
