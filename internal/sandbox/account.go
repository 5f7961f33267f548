package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that servers run as: our own, but for
// root, which PostgreSQL refuses.
type account struct {
	name string
	uid  int
	gid  int
	cred *syscall.Credential // nil for our own
}

// serverAccount chooses the account: ours, or for root "postgres" if there is
// such a user, else "nobody".
func serverAccount() (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{name: strconv.Itoa(uid), uid: uid, gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uerr, gerr); err != nil {
			return account{}, fmt.Errorf("look up user %s: %w", name, err)
		}
		return account{name: name, uid: int(uid), gid: int(gid),
			cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("choose user for servers: PostgreSQL does not run as root, and there is neither a user postgres nor nobody; run as another user")
}

// command is a program run as the account, in dir, with a plain environment, in
// a session of its own so that no signal of our terminal reaches it.
func (a account) command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = dir
	c.Env = []string{"LC_ALL=C", "TZ=UTC", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: a.cred}
	return c
}

// reaches says whether the account can enter dir, which it tries.
func (a account) reaches(ctx context.Context, dir string) bool {
	return a.command(ctx, "/", "/bin/sh", "-c", `cd -- "$1"`, "sh", dir).Run() == nil
}

// own gives everything below dir to the account.
func (a account) own(dir string) error {
	if a.cred == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.uid, a.gid)
	})
}

// tempDir makes a directory that the account can reach, whose path is at most
// limit bytes long (0: any), in the first of our usual temporary places where
// that works.
func (a account) tempDir(ctx context.Context, pattern string, limit int) (string, error) {
	var errs []error
	for _, place := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		dir, err := os.MkdirTemp(place, pattern)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			errs = append(errs, err, os.Remove(dir))
			continue
		}
		if (limit == 0 || len(dir) <= limit) && a.reaches(ctx, dir) {
			return dir, nil
		}
		errs = append(errs, fmt.Errorf("user %s cannot use %s", a.name, dir), os.Remove(dir))
	}
	return "", fmt.Errorf("make temporary directory: %w", errors.Join(errs...))
}
