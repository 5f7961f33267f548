package sandbox

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
)

// Backend is the process id of the oldest process of the server with that
// backend_type in pg_stat_activity, such as "walwriter" or "client backend"; the
// session that asks is not meant. If such a process is killed by SIGKILL, the
// postmaster ends all others and recovers from the WAL that was written, under
// the same pg_postmaster_start_time().
func (v *Server) Backend(ctx context.Context, backendType string) (pid int, err error) {
	text, err := v.Value(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = "+
		literal(backendType)+" ORDER BY backend_start LIMIT 1")
	if err != nil {
		return 0, err
	}
	if pid, err = strconv.Atoi(text); err != nil {
		return 0, fmt.Errorf("find a %s of server %s: it has none", backendType, v.name)
	}
	return pid, nil
}

// HoldWAL stops the server's WAL writer with SIGSTOP and tells its process id.
// From then on nothing of an asynchronous commit (synchronous_commit=off) is
// written until wal_buffers are full, so that a crash loses it for certain;
// without that, the WAL writer is woken for each full page (XLogSetAsyncXactLSN
// in PostgreSQL's xlog.c) and a crash loses something only by chance. Kill ends a
// writer that stands still; so does SIGKILL on its process.
func (v *Server) HoldWAL(ctx context.Context) (pid int, err error) {
	if pid, err = v.Backend(ctx, "walwriter"); err != nil {
		return 0, err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return 0, fmt.Errorf("stop the WAL writer of server %s: %w", v.name, err)
	}
	return pid, nil
}
