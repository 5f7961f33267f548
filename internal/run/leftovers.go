package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
)

// dropLeftovers drops the run's slot on every node that answers, and its
// publication on those that take writes. A node that does not answer is not
// waited for: what it keeps is in the error, with how to drop it.
func dropLeftovers(ctx context.Context, nodes []node.Target, r Record) error {
	var errs []error
	for _, target := range nodes {
		if err := dropOn(ctx, target, r); err != nil {
			errs = append(errs, fmt.Errorf("slot and publication %s may be left on %s (%w): once it answers, pgrpo compare %s drops them there", r.Slot, target, err, RunName(r.Run)))
		}
	}
	return errors.Join(errs...)
}

// dropNote is the file of a place that says that the run's slot was dropped.
const dropNote = "dropped"

func noteDrop(p Place) error { return WriteFile(filepath.Join(p.Dir, dropNote), nil) }

// droppedHere tells whether an earlier judgement dropped the run's slot, or may
// have.
func droppedHere(p Place) bool {
	_, err := os.Stat(filepath.Join(p.Dir, dropNote))
	return !errors.Is(err, fs.ErrNotExist)
}

// slotPatience is how long a walsender on a busy server may take to see that its
// reader has gone: until then the slot is in use.
const slotPatience = 10 * time.Second

func dropOn(ctx context.Context, target node.Target, r Record) error {
	ctx, cancel := context.WithTimeout(ctx, slotPatience+5*time.Second)
	defer cancel()
	conn, err := node.Connect(ctx, target.WithTimeout(2*time.Second), "pgrpo/drop")
	if err != nil {
		return err
	}
	defer node.Close(conn)
	slotErr := node.DropSlot(ctx, conn, r.Slot, slotPatience)
	id, err := node.Identify(ctx, conn)
	if err != nil || id.InRecovery {
		return errors.Join(slotErr, err)
	}
	return errors.Join(slotErr, node.DropPublication(ctx, conn, r.Run))
}
