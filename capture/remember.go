package capture

import (
	"context"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// keyPatience is how long a look waits for a transaction that holds a marker's
// key.
const keyPatience = time.Second

// remember decides on which branch the server is, records the contact, and
// reads what the repo holds of the branches.
func (c *Capture) remember(ctx context.Context, v *visit, progress repo.Progress) (*Past, error) {
	past := &Past{Progress: progress, HighWater: make(map[pg.BranchID]pg.LSN)}
	contact, err := c.decide(ctx, v, past)
	if err != nil {
		return nil, err
	}
	past.On = contact.Branch
	for _, b := range past.Branches {
		_, end, err := c.store.HighWater(ctx, b.ID)
		if err != nil {
			return nil, fmt.Errorf("read the position: %w: %w", errStore, err)
		}
		if end != 0 {
			past.HighWater[b.ID] = end
		}
	}
	if past.Gaps, err = c.store.Gaps(ctx); err != nil {
		return nil, fmt.Errorf("read the gaps: %w: %w", errStore, err)
	}
	return past, nil
}

// decide finds the server's branch from the contacts of all observers and this
// one, and stores it.
func (c *Capture) decide(ctx context.Context, v *visit, past *Past) (txn.Connection, error) {
	known, err := c.store.Branches(ctx)
	if err != nil {
		return txn.Connection{}, fmt.Errorf("read the branches: %w: %w", errStore, err)
	}
	earlier, err := c.store.Contacts(ctx)
	if err != nil {
		return txn.Connection{}, fmt.Errorf("read the contacts: %w: %w", errStore, err)
	}
	conn := v.id.Connection
	conn.Observer, conn.At = observer, time.Now().UnixNano()
	if err := c.lookFor(ctx, v, known, &conn.Contact); err != nil {
		return txn.Connection{}, err
	}
	contacts := make([]pg.Contact, 0, len(earlier)+1)
	for _, e := range earlier {
		if e.Observer == observer && e.Branch != 0 && past.StartBranch == 0 {
			past.StartBranch = e.Branch
		}
		contacts = append(contacts, e.Contact)
	}
	branches, ids := pg.Trace(known, append(contacts, conn.Contact))
	var decided []pg.Contact
	for i := range contacts {
		if contacts[i].Branch == 0 {
			contacts[i].Branch = ids[i]
			decided = append(decided, contacts[i])
		}
	}
	conn.Branch = ids[len(contacts)]
	if err := c.store.SaveBranches(ctx, branches, decided...); err != nil {
		return txn.Connection{}, fmt.Errorf("store the branches: %w: %w", errStore, err)
	}
	if err := c.store.AddContact(ctx, conn); err != nil {
		return txn.Connection{}, fmt.Errorf("store the contact: %w: %w", errStore, err)
	}
	past.Branches = branches
	return conn, nil
}

// lookFor looks for the last captured marker of the newest branch that shows
// the server's identity and has one: its absence proves that the log went
// backwards.
func (c *Capture) lookFor(ctx context.Context, v *visit, known pg.Branches, contact *pg.Contact) error {
	for i := len(known) - 1; i >= 0; i-- {
		b := known[i]
		if b.System != contact.System || b.Timeline != contact.Timeline {
			continue
		}
		id, at, found, err := c.store.LastMarker(ctx, b.ID)
		if err != nil {
			return fmt.Errorf("read the last marker: %w: %w", errStore, err)
		}
		if !found {
			continue
		}
		contact.Marker, err = c.see(ctx, v, id)
		if contact.Marker != pg.NotLooked {
			contact.Floor = at
		}
		return err
	}
	return nil
}

// see looks for a captured marker. A captured commit may still wait for a
// synchronous standby, seen by nobody but the stream: its marker's absence
// proves nothing while a transaction holds its key.
func (c *Capture) see(ctx context.Context, v *visit, id txn.ID) (pg.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	seen, err := node.MarkerPresent(ctx, v.side, id)
	if err != nil || seen != pg.Absent {
		return seen, err
	}
	settled, err := node.Settle(ctx, v.side, []txn.ID{id}, keyPatience)
	if err != nil {
		c.log.Warn("look for the last captured marker", "error", err)
	}
	switch settled[id] {
	case node.Committed:
		return pg.Present, nil
	case node.RolledBack:
		return pg.Absent, nil
	default:
		return pg.NotLooked, nil
	}
}

// recordGap records what a slot that was made, or that stands ahead, cannot
// send, before anything is heard of it.
func (c *Capture) recordGap(ctx context.Context, past *Past, slot standing) error {
	reason := txn.SlotAhead
	if c.dropped != "" {
		slot.why = c.dropped
	}
	made := slot.why != ""
	if made {
		reason = slot.why
	}
	gap, missing := past.Missing(c.config.Slot, slot.confirmed, reason)
	if made {
		text := reason
		if past.Fresh() {
			text = "the stream of the run begins with it"
		}
		c.event(Event{Kind: EventSlotCreated, Position: pg.Position{Branch: past.On, LSN: slot.confirmed}, Text: text})
	}
	if !missing {
		c.dropped = ""
		return nil
	}
	if err := c.store.AddGap(ctx, gap); err != nil {
		return fmt.Errorf("record gap: %w: %w", errStore, err)
	}
	c.dropped = ""
	past.Gaps = append(past.Gaps, gap)
	c.counters.Gaps.Add(1)
	c.event(Event{Kind: EventGap, Position: pg.Position{Branch: gap.Branch, LSN: gap.From}, Text: fmt.Sprintf("not heard up to %v: %s", gap.To, reason)})
	return nil
}
