package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// repoServer is the name of the embedded repo's server in its sandbox.
const repoServer = "repo"

// embedded is a PostgreSQL of pgrpo's own that keeps the repo in the run
// directory. It ends with the process; its data stays.
type embedded struct {
	box *sandbox.Sandbox
	dsn string
	// fresh says that the directory of its data was made by this process.
	fresh bool
}

// makeEmbedded makes the embedded repo of a new place and starts it.
func makeEmbedded(ctx context.Context, p Place, binDir string, log *slog.Logger) (*embedded, error) {
	return openEmbedded(ctx, p, binDir, log, func(box *sandbox.Sandbox) (*sandbox.Server, error) {
		return box.Primary(ctx, repoServer, map[string]string{"fsync": "on", "wal_level": "minimal", "max_wal_senders": "0"})
	})
}

// reopenEmbedded starts the embedded repo that the place has. It makes none: an
// empty one would know nothing of the run.
func reopenEmbedded(ctx context.Context, p Place, binDir string, log *slog.Logger) (*embedded, error) {
	return openEmbedded(ctx, p, binDir, log, func(box *sandbox.Sandbox) (*sandbox.Server, error) {
		if !box.Has(repoServer) {
			return nil, trouble.Refuse("its data is not in %s, or belongs to another user: bring it back there, or run pgrpo as the user who made the run", box.Root())
		}
		return box.Reopen(ctx, repoServer)
	})
}

// repoBinaries are the server programs that an embedded repo is run with.
func repoBinaries(ctx context.Context, binDir string) (sandbox.Binaries, error) {
	found, err := sandbox.Find(ctx, binDir)
	if err != nil {
		return sandbox.Binaries{}, trouble.Unreachable("start embedded repo: %w; or name a repo of your own with --repo-pgdsn", err)
	}
	return found[0], nil
}

// openEmbedded starts the embedded repo of the place. Data that no server was
// started on is removed if it was made here.
func openEmbedded(ctx context.Context, p Place, binDir string, log *slog.Logger, start func(*sandbox.Sandbox) (*sandbox.Server, error)) (_ *embedded, err error) {
	binaries, err := repoBinaries(ctx, binDir)
	if err != nil {
		return nil, err
	}
	box, err := sandbox.Open(ctx, sandbox.Config{Dir: p.RepoDir(), Binaries: binaries, Lifetime: sandbox.Kept, Log: log})
	if errors.Is(err, sandbox.ErrDataGone) {
		return nil, trouble.Refuse("start embedded repo: %w: bring it back there, or run pgrpo as the user who made the run", err)
	}
	if err != nil {
		return nil, trouble.Unreachable("start embedded repo: %w", err)
	}
	e := &embedded{box: box}
	there, err := os.ReadDir(box.Root())
	e.fresh = err == nil && len(there) == 0
	defer func() {
		if err != nil {
			err = errors.Join(err, e.discard())
		}
	}()
	server, err := start(box)
	if trouble.Of(err) == trouble.Refused {
		return nil, fmt.Errorf("start embedded repo: %w", err)
	}
	if err != nil {
		return nil, trouble.Unreachable("start embedded repo: %w", err)
	}
	e.dsn = server.DSN("postgres")
	return e, nil
}

// discard stops the server and removes its data, wherever that lies, if this
// process made it.
func (e *embedded) discard() error {
	err := e.Close()
	if e.fresh {
		err = errors.Join(err, os.RemoveAll(e.box.Root()))
	}
	return err
}

// Close stops the server.
func (e *embedded) Close() error {
	if err := e.box.Close(); err != nil {
		return fmt.Errorf("stop embedded repo: %w", err)
	}
	return nil
}
