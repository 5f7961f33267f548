package capture

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// errPublication says that the publication lacks what must be heard.
var errPublication = errors.New("run pgrpo init, or make the publication by hand")

// mendPublication makes the publication, or what it lacks, where the rights
// allow; elsewhere it refuses to stream: from PostgreSQL 18 on, the rows would
// just not come.
//
// What was written while a table was not published is not in the stream, or
// cannot be decoded at all, and nothing in the stream says so. So the slot is
// dropped first: the one that takes its place begins after that, and the gap is
// recorded.
func (c *Capture) mendPublication(ctx context.Context, v *visit, past *Past) error {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	p, err := node.CheckPublication(ctx, v.side, c.config.Run, c.config.Workers)
	if err != nil || p.Complete() {
		return err
	}
	name := node.NameOf(c.config.Run)
	lack := fmt.Sprintf("publication %s is missing", name)
	if p.Exists {
		lack = fmt.Sprintf("publication %s lacks %s", name, strings.Join(p.Missing, ", "))
	}
	if !past.Fresh() {
		if err := node.DropSlot(ctx, v.side, c.config.Slot, dropPatience); err != nil {
			return fmt.Errorf("%s on %s: %w", lack, v.id.Address, err)
		}
		c.dropped = lack
	}
	if err := node.CreatePublication(ctx, v.side, c.config.Run, c.config.Workers); err != nil {
		// The kind of err is left out: the stream waits until somebody
		// makes the publication.
		return fmt.Errorf("%s on %s: %w: %s", lack, v.id.Address, errPublication, err)
	}
	c.event(Event{Kind: EventPublication, Position: pg.Position{Branch: past.On, LSN: v.system.Position},
		Text: fmt.Sprintf("%s on %s: it was made again", lack, v.id.Address)})
	return nil
}
