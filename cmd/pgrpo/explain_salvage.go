package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// writeSalvage writes the script to a file that only its owner may read. A file that
// is there is never written over; one that cannot be written whole is removed.
func writeSalvage(path string, s salvage.Script) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return trouble.Refuse("write salvage: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	return errors.Join(s.Write(f), f.Sync(), f.Close())
}

// absent refuses a path that is taken before anything is asked.
func absent(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return trouble.Refuse("--salvage %s: it is there already, and is not written over", path)
	} else if !errors.Is(err, os.ErrNotExist) {
		return trouble.Refuse("--salvage: %w", err)
	}
	return nil
}

// salvaged says what was written.
func salvaged(path string, s salvage.Script) string {
	return fmt.Sprintf("%s: %d lost transactions as SQL for the survivor; apply it there with psql -v ON_ERROR_STOP=1 -f, then judge again with pgrpo compare %s\n",
		path, len(s.Attempts), s.Run)
}
