package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

// Primary makes a primary and starts it. Settings are those of postgresql.conf;
// they go over the sandbox's own, but for address, port and socket.
func (s *Sandbox) Primary(ctx context.Context, name string, settings map[string]string) (*Server, error) {
	return s.create(ctx, name, "primary", func(v *Server) error {
		template, err := s.template(ctx)
		if err != nil {
			return err
		}
		v.record.Settings = maps.Clone(settings)
		if err := copyTree(template, v.data, nil); err != nil {
			return err
		}
		if err := renewSystemID(v.data); err != nil {
			return err
		}
		return s.account.own(v.data)
	})
}

// create makes a server whose data directory fill makes, and starts it. If that
// fails, nothing stays behind.
func (s *Sandbox) create(ctx context.Context, name, kind string, fill func(*Server) error) (_ *Server, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make %s %s: %w", kind, name, err)
		}
	}()
	if s.Has(name) {
		return nil, errors.New("its data is there already: reopen it, or remove " + s.root + "/" + name)
	}
	v, err := s.add(ctx, name, s.duty())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.forget(v))
		}
	}()
	// The data gets its name when it is whole. What lies there under the other one
	// was left by an attempt that was killed.
	final := v.data
	v.data += ".making"
	if err := os.RemoveAll(v.data); err != nil {
		return nil, err
	}
	v.record.Major = s.binaries.Major
	if err := fill(v); err != nil {
		return nil, err
	}
	v.mu.Lock()
	err = v.configure()
	v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := os.Rename(v.data, final); err != nil {
		return nil, err
	}
	v.data = final
	return v, v.startSomewhere(ctx)
}

// Reopen starts the server of that name that an earlier sandbox of the same Dir
// kept. It gets its old port if that is free. Its data is kept again, whatever
// the lifetime of this sandbox.
func (s *Sandbox) Reopen(ctx context.Context, name string) (_ *Server, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reopen server %s: %w", name, err)
		}
	}()
	if !s.Has(name) {
		return nil, errors.New("there is no data of it in " + s.root)
	}
	if err := unguarded(ctx, filepath.Join(s.root, name)); err != nil {
		return nil, err
	}
	v, err := s.add(ctx, name, guardKept)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// The data is not ours to remove.
			err = errors.Join(err, v.end())
			s.mu.Lock()
			delete(s.servers, name)
			s.mu.Unlock()
		}
	}()
	if err := v.remember(); err != nil {
		return nil, err
	}
	if v.record.Major != s.binaries.Major {
		return nil, fmt.Errorf("its data is of PostgreSQL %d, the binaries are %s; name those of %d with --pg-bindir or PGRPO_PG_BINDIR",
			v.record.Major, s.binaries, v.record.Major)
	}
	if all, err := serverProcesses(v.data, 0); err != nil || len(all) > 0 {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("it is in use by another process (a postgres has pid %d)", all[0].pid)
	}
	return v, v.startSomewhere(ctx)
}
