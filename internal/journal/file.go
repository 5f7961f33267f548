package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// file is what a journal is written to. Sync returns once all that was written
// is on stable storage.
type file interface {
	io.WriteCloser
	Sync() error
}

// writeAll writes all of b, also where the file takes it in parts.
func writeAll(f file, b []byte) error {
	for len(b) > 0 {
		n, err := f.Write(b)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		b = b[n:]
	}
	return nil
}

// createFile makes a new file that only its owner can read; one that is there
// already is an error.
func createFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, unavailable("create", path, err)
	}
	return diskFile{f}, nil
}

// syncDir makes the name of a new file durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return unavailable("sync folder of", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return unavailable("sync folder of", path, err)
	}
	return nil
}

// unavailable names the file once, and what can be done.
func unavailable(verb, path string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return trouble.Unreachable("%s journal %s: %w; nothing is sent without it: make room or choose another --run-dir", verb, path, err)
}
