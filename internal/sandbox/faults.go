package sandbox

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// killTimeout bounds the wait for processes that were sent SIGKILL or SIGSTOP.
const killTimeout = 15 * time.Second

// Kill ends the whole server by SIGKILL, as a power failure would, and waits
// until all of its processes are gone. The postmaster is stopped first so that
// it forks none meanwhile. What the server had written to files stays written.
// It is no error if the server does not run.
func (v *Server) Kill() error {
	p := v.current()
	if p == nil || p.gone() {
		return nil
	}
	if err := v.kill(p); err != nil {
		return fmt.Errorf("kill server %s: %w", v.name, err)
	}
	v.sandbox.log.Debug("server killed", "name", v.name)
	return nil
}

func (v *Server) kill(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	if !p.gone() {
		if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	// Children first: those that the postmaster has outlived are no orphans yet.
	return poll(ctx, 5*time.Millisecond, func(context.Context) (bool, error) {
		all, err := serverProcesses(v.data, p.pid)
		if err != nil {
			return false, err
		}
		for _, q := range all {
			if q.pid == p.pid {
				continue
			}
			if err := syscall.Kill(q.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, err
			}
		}
		if !p.gone() {
			if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, err
			}
		}
		return len(all) == 0 && p.gone(), nil
	})
}

// Freeze stops every process of the server by SIGSTOP and waits until all stand
// still: connections stay open, and nothing answers. A server that does not run
// cannot be frozen.
func (v *Server) Freeze() error {
	p := v.current()
	if p == nil || p.gone() {
		return fmt.Errorf("freeze server %s: it does not run", v.name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	err := poll(ctx, 2*time.Millisecond, func(context.Context) (bool, error) {
		// The postmaster stops first; then no new process can appear.
		if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil {
			return false, err
		}
		all, err := serverProcesses(v.data, p.pid)
		if err != nil {
			return false, err
		}
		still := len(all) > 0
		for _, q := range all {
			if q.stopped {
				continue
			}
			still = false
			if err := syscall.Kill(q.pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, err
			}
		}
		return still, nil
	})
	if err != nil {
		return fmt.Errorf("freeze server %s: %w", v.name, err)
	}
	return nil
}

// Thaw lets a frozen server go on.
func (v *Server) Thaw() error {
	p := v.current()
	if p == nil || p.gone() {
		return fmt.Errorf("thaw server %s: it does not run", v.name)
	}
	if err := v.signalAll(p, syscall.SIGCONT); err != nil {
		return fmt.Errorf("thaw server %s: %w", v.name, err)
	}
	return nil
}

// signalAll signals every process of the server, the postmaster last.
func (v *Server) signalAll(p *process, sig syscall.Signal) error {
	all, err := serverProcesses(v.data, p.pid)
	if err != nil {
		return err
	}
	for _, q := range all {
		if q.pid == p.pid {
			continue
		}
		if err := syscall.Kill(q.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// poll calls try at once and then at intervals until it is done, fails, or ctx
// ends.
func poll(ctx context.Context, interval time.Duration, try func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		done, err := try(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
