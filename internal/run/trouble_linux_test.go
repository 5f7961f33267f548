package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The repo's disk is full for a while. Where the test may mount a file system,
// the repo's tables lie on a small one, which is filled; elsewhere the processes
// of the repo's server may not make files larger than those of its tables are,
// which the server meets at the same place.
func TestRepoDiskFull(t *testing.T) {
	t.Parallel()
	tr := newOrdeal(t)
	tr.database = "trouble"
	disk, err := mountDisk(tr)
	if errors.Is(err, unix.EPERM) {
		t.Log("mounting is not allowed here; the size of files is bounded instead")
		disk = &boundedFiles{tr: tr}
		tr.must(tr.repo.Exec(t.Context(), "create database trouble"))
	} else {
		tr.must(err)
	}
	tr.run(1200*time.Millisecond, func(ctx context.Context) error {
		if err := disk.fill(ctx); err != nil {
			return err
		}
		deadline := time.Now().Add(20 * time.Second)
		for !tr.logged(disk.complaint()) {
			if time.Now().After(deadline) {
				return fmt.Errorf("the repo's server never said %q", disk.complaint())
			}
			if err := within(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		if err := within(ctx, time.Second); err != nil {
			return err
		}
		return disk.free(ctx)
	})
}

// disk is what the repo's tables lie on.
type disk interface {
	fill(context.Context) error
	free(context.Context) error
	// complaint is what the server logs of it.
	complaint() string
}

// smallDisk is a file system of its own.
type smallDisk struct{ dir string }

func mountDisk(tr *ordeal) (disk, error) {
	t := tr.t
	t.Helper()
	info, err := os.Stat(tr.repo.Dir())
	tr.must(err)
	owner := info.Sys().(*syscall.Stat_t)
	dir := filepath.Join(filepath.Dir(tr.repo.Dir()), "disk")
	tr.must(os.Mkdir(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=48m"); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		// The server stands with its tablespace.
		if err := errors.Join(tr.repo.Kill(), unix.Unmount(dir, 0)); err != nil {
			t.Error(err)
		}
	})
	space := filepath.Join(dir, "space")
	tr.must(errors.Join(os.Mkdir(space, 0o700), os.Chown(space, int(owner.Uid), int(owner.Gid))))
	for _, sql := range []string{"create tablespace small location '" + space + "'", "create database trouble tablespace small"} {
		tr.must(tr.repo.Exec(t.Context(), sql))
	}
	return &smallDisk{dir}, nil
}

func (d *smallDisk) filler() string { return filepath.Join(d.dir, "filler") }

func (d *smallDisk) fill(context.Context) error {
	f, err := os.Create(d.filler())
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return nil
}

func (d *smallDisk) free(context.Context) error { return os.Remove(d.filler()) }

func (d *smallDisk) complaint() string { return "No space left on device" }

// boundedFiles bounds the size of the files that the server's processes write.
// It must not be less than that of a WAL segment, so the table of the commits is
// made larger first, with those of another run.
type boundedFiles struct {
	tr *ordeal
	// bounded are the processes that were bounded, the postmaster first.
	bounded []string
}

func (b *boundedFiles) fill(ctx context.Context) error {
	const most = 17 << 20
	tr := b.tr
	tr.value(tr.repo, tr.database, `insert into pgrpo.commit (seq, lsn, end_lsn, committed_at, run, worker, xid, ops, crc, seen, seen_crc, branch, slot)
		select g, '0/1', '0/2', now(), 0, 0, '1', 1, 1, 1, 1, 1, 1 from generate_series(1, 200000) g`)
	if size, err := strconv.Atoi(tr.value(tr.repo, tr.database, "select pg_relation_size('pgrpo.commit')")); err != nil || size < most {
		return fmt.Errorf("pgrpo.commit has %d bytes, want more than %d: %w", size, most, err)
	}
	content, err := os.ReadFile(filepath.Join(tr.repo.Dir(), "postmaster.pid"))
	if err != nil {
		return err
	}
	pids := []string{strings.SplitN(string(content), "\n", 2)[0]}
	pids = append(pids, strings.Split(tr.value(tr.repo, tr.database,
		"select string_agg(pid::text, ',') from pg_stat_activity where application_name = 'pgrpo/repo'"), ",")...)
	for _, pid := range pids {
		b.bounded = append(b.bounded, pid)
		if err := b.bound(ctx, pid, strconv.Itoa(most)); err != nil {
			return err
		}
	}
	return nil
}

// bound sets the soft bound of a process, as the user that the process is of.
func (b *boundedFiles) bound(ctx context.Context, pid, bytes string) error {
	cmd := exec.CommandContext(ctx, "prlimit", "--pid", pid, "--fsize="+bytes+":")
	if info, err := os.Stat(b.tr.repo.Dir()); err == nil && os.Geteuid() == 0 {
		owner := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bound the files of process %s: %w: %s", pid, err, out)
	}
	return nil
}

// free takes the bound from the postmaster, and ends the sessions that have it.
func (b *boundedFiles) free(ctx context.Context) error {
	if err := b.bound(ctx, b.bounded[0], "unlimited"); err != nil {
		return err
	}
	b.tr.value(b.tr.repo, b.tr.database, "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgrpo/repo'")
	return nil
}

func (b *boundedFiles) complaint() string { return "File too large" }
