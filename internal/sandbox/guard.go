package sandbox

import (
	"context"
	_ "embed" // the guard's script
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed guard.sh
var guardScript string

// guardDuty is what the guard does with a directory beyond ending its servers.
type guardDuty string

const (
	guardTemporary guardDuty = "temporary" // removes it
	guardKept      guardDuty = "kept"      // leaves it
)

// guard is a small process of its own that outlives ours. It waits at a pipe;
// when the pipe ends without a word, as it does when we are killed, it ends the
// servers and removes what is temporary.
type guard struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	pipe io.WriteCloser
}

// newGuard starts the guard.
func newGuard() (*guard, error) {
	g := &guard{cmd: exec.Command("/bin/sh", "-c", guardScript, "pgrpo-guard")}
	g.cmd.Dir = "/"
	g.cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	g.pipe = pipe
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guard: %w", errors.Join(err, pipe.Close()))
	}
	return g, nil
}

// tell puts a directory into the guard's care.
func (g *guard) tell(duty guardDuty, dir string) error {
	if strings.ContainsAny(dir, "\n\r") {
		return fmt.Errorf("guard %q: line break in path", dir)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := io.WriteString(g.pipe, string(duty)+" "+dir+"\n"); err != nil {
		return fmt.Errorf("guard %s: %w", dir, err)
	}
	return nil
}

// guardFile in a server's folder names the guard that has it in its care.
const guardFile = "guard"

// sign leaves the guard's process id in the folder.
func (g *guard) sign(dir string) error {
	return os.WriteFile(filepath.Join(dir, guardFile), []byte(strconv.Itoa(g.cmd.Process.Pid)+"\n"), 0o600)
}

// unguarded waits until the guard that had the folder in its care is gone: it
// would end a server that is started there meanwhile. A guard that stays means
// that its process lives and uses the folder.
func unguarded(ctx context.Context, dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, guardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return nil // cut short by a crash: its process had not started a server yet
	}
	ctx, cancel := context.WithTimeout(ctx, guardPatience)
	defer cancel()
	err = poll(ctx, 50*time.Millisecond, func(context.Context) (bool, error) { return !isGuard(pid), nil })
	if err != nil {
		return fmt.Errorf("another process uses %s, guarded by process %d: %w", dir, pid, err)
	}
	return nil
}

// guardPatience is more than a guard takes to end servers that do not hear.
const guardPatience = 20 * time.Second

// isGuard tells whether a process is there that can be a guard.
func isGuard(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) || runtime.GOOS != "linux"
	}
	return strings.Contains(string(line), "pgrpo-guard")
}

// standDown ends the guard, which then does nothing.
func (g *guard) standDown() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := io.WriteString(g.pipe, "done\n")
	if err := errors.Join(err, g.pipe.Close(), g.cmd.Wait()); err != nil {
		return fmt.Errorf("end guard: %w", err)
	}
	return nil
}
