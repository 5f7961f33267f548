package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Mode is how a server is stopped, by the names of pg_ctl.
type Mode int

const (
	// Fast ends all sessions and shuts down cleanly. The server first sends all
	// WAL to the standbys that are connected, and waits for them.
	Fast Mode = iota
	// Immediate ends at once without a checkpoint, as after a crash.
	Immediate
	// Smart waits until all clients have gone.
	Smart
)

// signal is what the postmaster takes for the mode.
func (m Mode) signal() (syscall.Signal, error) {
	switch m {
	case Fast:
		return syscall.SIGINT, nil
	case Immediate:
		return syscall.SIGQUIT, nil
	case Smart:
		return syscall.SIGTERM, nil
	}
	return 0, fmt.Errorf("unknown stop mode %d", int(m))
}

// Server is one PostgreSQL server of a sandbox, running or not.
type Server struct {
	sandbox *Sandbox
	name    string
	dir     string // holds data, the log and the record
	data    string
	sockets string // directory of the Unix socket
	duty    guardDuty

	mu     sync.Mutex
	record record
	proc   *process // nil before the first start
}

// process is one life of a server's postmaster, our child.
type process struct {
	pid    int
	exited chan struct{} // closed when it is gone and reaped
}

// gone says whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Name is the server's name; as a standby, its application_name and its slot.
func (v *Server) Name() string { return v.name }

// Dir is the data directory.
func (v *Server) Dir() string { return v.data }

// LogFile is the file that holds what the server logged.
func (v *Server) LogFile() string { return filepath.Join(v.dir, "server.log") }

// Port is the server's port on 127.0.0.1. It stays the same over restarts
// unless another program has taken it.
func (v *Server) Port() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.record.Port
}

// Addr is host:port.
func (v *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(v.Port()) }

// DSN is the URL of a database of this server, as the superuser postgres.
func (v *Server) DSN(database string) string { return v.DSNAt(v.Addr(), database) }

// DSNAt is DSN by way of another address, such as a relay's.
func (v *Server) DSNAt(addr, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Running says whether the server's process is there, frozen or not.
func (v *Server) Running() bool {
	p := v.current()
	return p != nil && !p.gone()
}

// current is the present life of the server, or its last.
func (v *Server) current() *process {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.proc
}

// startTimeout bounds a start, with crash recovery, beyond the context.
const startTimeout = 2 * time.Minute

// Start starts a stopped server and waits until it takes connections; a standby
// does so when it is consistent.
func (v *Server) Start(ctx context.Context) error { return v.start(ctx) }

// errPortTaken says that another program listens on the server's port.
var errPortTaken = errors.New("another program has the port")

// start runs the postmaster with extra arguments and waits until it is ready.
func (v *Server) start(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p, err := v.launch(args)
	if err == nil {
		err = v.ready(ctx, p)
	}
	if err == nil {
		v.sandbox.log.Debug("server started", "name", v.name, "port", v.Port(), "pid", p.pid)
		return nil
	}
	if p != nil {
		exited := p.gone()
		if kerr := v.kill(p); kerr != nil {
			err = errors.Join(err, kerr)
		}
		if exited && !portFree(v.Port()) {
			err = errors.Join(errPortTaken, err)
		}
	}
	return fmt.Errorf("start server %s on %s: %w", v.name, v.Addr(), err)
}

// launch runs the postmaster as our child, whom a goroutine reaps.
func (v *Server) launch(args []string) (*process, error) {
	v.sandbox.mu.Lock()
	defer v.sandbox.mu.Unlock()
	if v.sandbox.closed {
		return nil, errors.New("sandbox is closed")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.proc != nil && !v.proc.gone() {
		return nil, errors.New("it runs already")
	}
	if err := v.configure(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(v.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	// The server outlives the context of its start.
	cmd := v.sandbox.account.command(context.Background(), v.dir, v.sandbox.binaries.path("postgres"),
		append([]string{"-D", v.data}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	err = errors.Join(cmd.Start(), log.Close())
	if cmd.Process == nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, exited: make(chan struct{})}
	v.proc = p
	go reap(cmd, p)
	return p, err
}

// reap waits for the end of a postmaster. It ends with the process, which Close
// waits for.
func reap(cmd *exec.Cmd, p *process) {
	defer close(p.exited)
	_ = cmd.Wait() // how it ended stands in the server's log
}

// ready waits until the server takes connections. It asks at the Unix socket,
// which nobody else can have.
func (v *Server) ready(ctx context.Context, p *process) error {
	var last error
	err := poll(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		if p.gone() {
			return false, fmt.Errorf("it ended: %s", v.logTail())
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		conn, err := v.connect(ctx)
		if err != nil {
			last = err
			return false, nil
		}
		return true, conn.Close(ctx)
	})
	if err != nil && ctx.Err() != nil {
		return errors.Join(err, last)
	}
	return err
}

// logTail is the end of the server's log.
func (v *Server) logTail() string {
	content, err := os.ReadFile(v.LogFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], " | ")
}

// Stop stops the server and waits until it is gone; a frozen one is thawed. It
// is no error if the server does not run.
func (v *Server) Stop(ctx context.Context, mode Mode) error {
	sig, err := mode.signal()
	if err != nil {
		return fmt.Errorf("stop server %s: %w", v.name, err)
	}
	p := v.current()
	if p == nil || p.gone() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop server %s: %w", v.name, err)
	}
	if err := v.signalAll(p, syscall.SIGCONT); err != nil {
		return fmt.Errorf("stop server %s: %w", v.name, err)
	}
	select {
	case <-p.exited:
		v.sandbox.log.Debug("server stopped", "name", v.name)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop server %s: %w", v.name, ctx.Err())
	}
}

// Restart stops the server in mode Fast and starts it.
func (v *Server) Restart(ctx context.Context) error {
	if err := v.Stop(ctx, Fast); err != nil {
		return err
	}
	return v.Start(ctx)
}

// StartAlone starts a dead primary by itself, to look at what it alone has: not
// as a standby, and waiting for no synchronous standby. If another program has
// its port, it gets a new one.
func (v *Server) StartAlone(ctx context.Context) error {
	if v.Running() {
		return fmt.Errorf("start server %s alone: it runs already", v.name)
	}
	if err := v.unsignal(); err != nil {
		return fmt.Errorf("start server %s alone: %w", v.name, err)
	}
	return v.startSomewhere(ctx, "-c", "synchronous_standby_names=")
}

// startSomewhere starts the server on its port, or on another one if it has none
// or that is taken.
func (v *Server) startSomewhere(ctx context.Context, args ...string) error {
	var err error
	for range 5 {
		if port := v.Port(); port == 0 || !portFree(port) {
			port, err := v.sandbox.freePort()
			if err != nil {
				return err
			}
			v.mu.Lock()
			v.record.Port = port
			v.mu.Unlock()
		}
		if err = v.start(ctx, args...); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// end stops the server when the sandbox closes, one way or the other, and
// removes its System V segment and a socket directory of its own.
func (v *Server) end() error {
	mode := Immediate
	if v.duty == guardKept {
		mode = Fast
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if v.Stop(ctx, mode) != nil {
		if err := v.Kill(); err != nil {
			return err
		}
	}
	v.removeSegment()
	if v.sockets != v.dir {
		return os.RemoveAll(v.sockets)
	}
	return nil
}

// removeSegment removes the System V segment of a server that we started and
// that was killed. Line 1 of postmaster.pid is the process id, line 7 "key id".
func (v *Server) removeSegment() {
	p := v.current()
	if p == nil {
		return
	}
	content, err := os.ReadFile(filepath.Join(v.data, "postmaster.pid"))
	if err != nil {
		return // an orderly end leaves neither
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 7 || lines[0] != strconv.Itoa(p.pid) {
		return
	}
	fields := strings.Fields(lines[6])
	if len(fields) != 2 {
		return
	}
	if id, err := strconv.Atoi(fields[1]); err == nil {
		// It may be gone already; then there is nothing to do.
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}
