// Package sandbox runs real PostgreSQL servers, 15 and newer, on this machine:
// primaries, standbys and single servers, with the faults that an administrator
// or a power failure would cause. The demo, the embedded repo and the tests use
// it.
//
// Servers listen on 127.0.0.1 and on a socket in their own directory, and trust
// whoever connects there as user postgres: they are for a machine whose users
// may be trusted. Settings favour speed (fsync is off): the end of a process,
// even by SIGKILL, loses nothing, but the end of the machine may.
//
// No server outlives the process that opened the sandbox, however that ends: a
// guard process sees to it.
//
// PostgreSQL refuses to run as root. A process of root runs its servers as user
// postgres, or nobody if there is no postgres; data directories that this user
// could not reach are placed below the system's temporary directory.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Lifetime says whether the data outlives the sandbox.
type Lifetime int

const (
	// Temporary data is removed when the sandbox is closed or its process ends.
	Temporary Lifetime = iota
	// Kept data stays, and a later sandbox of the same Dir can reopen it.
	Kept
)

// Config says where a sandbox is and what it runs.
type Config struct {
	// Dir holds the servers, each in a folder of its name; it is made if it is
	// absent. Empty means a new temporary directory. If the user that runs the
	// servers cannot reach Dir, as with a folder of root's, the data lies in a new
	// temporary directory, whose path Dir/data-location holds.
	Dir string
	// Binaries is the installation to use; zero means the first that Find gives.
	Binaries Binaries
	// Lifetime says whether the data outlives the sandbox.
	Lifetime Lifetime
	// Log takes what is done, at level debug; nil discards it.
	Log *slog.Logger
}

// ErrDataGone is wrapped by the error of Open where the data that was kept
// elsewhere cannot be reached there.
var ErrDataGone = errors.New("its data is not to be reached")

// locationFile is the file in Config.Dir that says where the data is instead.
const locationFile = "data-location"

// Sandbox is a set of servers with one installation. Its methods may be called
// from several goroutines.
type Sandbox struct {
	binaries Binaries
	account  account
	lifetime Lifetime
	log      *slog.Logger
	guard    *guard
	root     string   // holds a folder per server
	extra    []string // directories to remove at Close, deepest first

	mu      sync.Mutex
	servers map[string]*Server
	poolers []*Pooler
	closed  bool

	closeOnce sync.Once
	closeErr  error
}

// Open makes a sandbox without servers. The error wraps ErrNoBinaries if
// Config names no installation and none is found.
func Open(ctx context.Context, c Config) (_ *Sandbox, err error) {
	s := &Sandbox{binaries: c.Binaries, lifetime: c.Lifetime, log: c.Log, servers: make(map[string]*Server)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.account, err = serverAccount(); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	if s.binaries.Dir == "" {
		found, err := Find(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("open sandbox: %w", err)
		}
		s.binaries = found[0]
	}
	if s.guard, err = newGuard(); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.place(ctx, c.Dir); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	s.log.Debug("sandbox opened", "root", s.root, "binaries", s.binaries.String(), "user", s.account.name)
	return s, nil
}

// place decides where the data lies.
func (s *Sandbox) place(ctx context.Context, dir string) error {
	if dir == "" {
		return s.placeTemporary(ctx)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		s.extra = append(s.extra, dir)
	}
	if s.account.reaches(ctx, dir) {
		s.root, err = filepath.EvalSymlinks(dir)
		return err
	}
	location := filepath.Join(dir, locationFile)
	content, err := os.ReadFile(location)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if known := strings.TrimSpace(string(content)); filepath.IsAbs(known) && s.account.reaches(ctx, known) {
		s.root = known
		return nil
	} else if filepath.IsAbs(known) && s.lifetime == Kept {
		// It is the only word of where the data was: it stays.
		return fmt.Errorf("%w in %s, which %s names", ErrDataGone, known, location)
	}
	if err := s.placeTemporary(ctx); err != nil {
		return err
	}
	if s.lifetime == Temporary {
		s.extra = append([]string{location}, s.extra...)
	}
	s.log.Debug("data placed elsewhere: servers cannot reach the directory", "dir", dir, "data", s.root)
	return os.WriteFile(location, []byte(s.root+"\n"), 0o644)
}

// placeTemporary puts the data into a new temporary directory.
func (s *Sandbox) placeTemporary(ctx context.Context) error {
	dir, err := s.account.tempDir(ctx, "pgrpo-", 0)
	if err != nil {
		return err
	}
	if s.root, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	if s.lifetime == Kept {
		return nil
	}
	s.extra = append([]string{s.root}, s.extra...)
	return s.guard.tell(guardTemporary, s.root)
}

// Root is the directory that holds the servers' folders.
func (s *Sandbox) Root() string { return s.root }

// Binaries is the installation that the servers run.
func (s *Sandbox) Binaries() Binaries { return s.binaries }

// closeTimeout bounds the orderly end of each server at Close.
const closeTimeout = 10 * time.Second

// Close stops all servers, removes what is temporary, and ends the guard. It may
// be called more than once.
func (s *Sandbox) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Sandbox) close() error {
	s.mu.Lock()
	s.closed = true
	servers := make([]*Server, 0, len(s.servers))
	for _, v := range s.servers {
		servers = append(servers, v)
	}
	poolers := s.poolers
	s.mu.Unlock()

	// Standbys hear of their primary's end, so all may stop at once.
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, v := range servers {
		wg.Go(func() { errs[i] = v.end() })
	}
	wg.Wait()
	err := errors.Join(errs...)
	for _, p := range poolers {
		err = errors.Join(err, p.end())
	}
	if s.lifetime == Temporary {
		for _, v := range servers {
			if v.duty == guardTemporary {
				err = errors.Join(err, os.RemoveAll(v.dir))
			}
		}
		for _, path := range s.extra {
			if path == s.root && strings.HasPrefix(filepath.Base(path), "pgrpo-") {
				err = errors.Join(err, os.RemoveAll(path))
			} else {
				// A directory that was given to us may hold what is not ours: then it
				// stays, and that is no error.
				_ = os.Remove(path)
			}
		}
	}
	if gerr := s.guard.standDown(); gerr != nil {
		err = errors.Join(err, gerr)
	}
	if err != nil {
		return fmt.Errorf("close sandbox: %w", err)
	}
	return nil
}

// namePattern is what a server may be called: a replication slot bears its name
// (PostgreSQL: lower case letters, digits, underscore).
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// duty is the guard's duty for the servers that this sandbox makes.
func (s *Sandbox) duty() guardDuty {
	if s.lifetime == Kept {
		return guardKept
	}
	return guardTemporary
}

// add makes a server of that name, with a folder in the guard's care.
func (s *Sandbox) add(ctx context.Context, name string, duty guardDuty) (*Server, error) {
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("server name %q: want lower case letters, digits and _", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("sandbox is closed")
	}
	if s.servers[name] != nil {
		return nil, fmt.Errorf("server %s is there already", name)
	}
	v := &Server{sandbox: s, name: name, dir: filepath.Join(s.root, name), duty: duty}
	v.data = filepath.Join(v.dir, "data")
	if err := v.claim(); err != nil {
		return nil, err
	}
	if err := errors.Join(s.guard.tell(duty, v.dir), s.guard.sign(v.dir)); err != nil {
		return nil, err
	}
	if err := os.Lchown(v.dir, s.account.uid, s.account.gid); err != nil {
		return nil, err
	}
	v.sockets = v.dir
	// sun_path holds 107 bytes and the NUL.
	if len(filepath.Join(v.dir, ".s.PGSQL.65535.lock")) > 107 {
		dir, err := s.account.tempDir(ctx, "pgrpo-s-", 80)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(s.guard.tell(guardTemporary, dir), s.account.own(dir)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		v.sockets = dir
	}
	s.servers[name] = v
	return v, nil
}

// forget undoes add for a server that could not be made.
func (s *Sandbox) forget(v *Server) error {
	err := v.end()
	s.mu.Lock()
	delete(s.servers, v.name)
	s.mu.Unlock()
	return errors.Join(err, os.RemoveAll(v.dir))
}

// claim makes the server's folder, which is ours to remove: one that is there
// already must be empty or have our record.
func (v *Server) claim() error {
	err := os.Mkdir(v.dir, 0o700)
	record := filepath.Join(v.dir, recordFile)
	if errors.Is(err, fs.ErrExist) {
		if _, err := os.Stat(record); err == nil {
			return nil
		}
		entries, err := os.ReadDir(v.dir)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return fmt.Errorf("%s holds something else; use another directory", v.dir)
		}
	} else if err != nil {
		return err
	}
	return v.write(record, "{}\n")
}

// Has says whether there is data of a server of that name, running or not.
func (s *Sandbox) Has(name string) bool {
	dir := filepath.Join(s.root, name)
	_, record := os.Stat(filepath.Join(dir, recordFile))
	_, data := os.Stat(filepath.Join(dir, "data"))
	return record == nil && data == nil
}
