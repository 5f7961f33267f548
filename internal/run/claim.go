package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// claim is the right of one process to a place. It ends with the process: the
// operating system drops the lock.
type claim struct{ dir *os.File }

// claimPlace claims the place, or refuses: a second process would take stream
// and slot away from a run that goes on. A file system that knows no locks does
// not keep a run from being judged.
func claimPlace(p Place) (*claim, error) {
	dir, err := os.Open(p.Dir)
	if err != nil {
		return nil, trouble.Refuse("claim run directory: %w", err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(trouble.Refuse("run %s still goes on, or is being judged, in another process: wait until that has ended", filepath.Base(p.Dir)), dir.Close())
	}
	return &claim{dir}, nil
}

func (c *claim) release() error {
	if c == nil {
		return nil
	}
	return c.dir.Close()
}

// recognize proves that place, record and repo speak of one run.
func (t *trial) recognize(ctx context.Context) error {
	if name := RunName(t.record.Run); filepath.Base(t.place.Dir) != name {
		return trouble.Refuse("read run: %s has the record of run %s: it must bear that name", t.place.Dir, name)
	}
	row, err := t.repo.Run(ctx, t.record.Run)
	if errors.Is(err, repo.ErrNoRun) {
		return trouble.Refuse("%w: name the repo that the run had with --repo-pgdsn", err)
	}
	if err != nil {
		return err
	}
	// The repo keeps microseconds.
	if row.Seed != t.record.Seed || row.Mix != t.record.Mix || row.StartedAt.UnixMicro() != t.record.Started.UnixMicro() {
		return trouble.Refuse("repo %s has another run of the number %s, begun at %s: name the repo that the run had with --repo-pgdsn",
			t.repo, RunName(t.record.Run), row.StartedAt.UTC().Format("15:04:05.000000"))
	}
	return nil
}
