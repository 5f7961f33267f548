package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNoPooler says that there is no usable pgbouncer.
var ErrNoPooler = errors.New("no pgbouncer: install the package pgbouncer (in a clone of pgrpo: .ci/need pgbouncer), or name the program in PGRPO_PGBOUNCER")

// Pooler is a running pgbouncer in transaction mode before one server of the
// sandbox. It ends with the sandbox.
type Pooler struct {
	sandbox  *Sandbox
	dir      string
	port     int
	settings map[string]string
	// Version is the program's, such as 1.18.0.
	Version string

	mu   sync.Mutex
	to   *Server
	proc *process
}

// FindPooler finds pgbouncer: the one in PGRPO_PGBOUNCER, else the one in PATH
// or where the systems' packages put it.
func FindPooler() (string, error) {
	if named := os.Getenv("PGRPO_PGBOUNCER"); named != "" {
		if _, err := exec.LookPath(named); err != nil {
			return "", fmt.Errorf("%w (PGRPO_PGBOUNCER: %w)", ErrNoPooler, err)
		}
		return named, nil
	}
	for _, program := range []string{"pgbouncer", "/usr/sbin/pgbouncer", "/usr/bin/pgbouncer",
		"/opt/homebrew/bin/pgbouncer", "/usr/local/bin/pgbouncer"} {
		if found, err := exec.LookPath(program); err == nil {
			return found, nil
		}
	}
	return "", ErrNoPooler
}

// Pooler starts a pgbouncer before a server, whose superuser everybody becomes
// who connects to it. Settings are those of its section [pgbouncer]; they go
// over the sandbox's own. The error wraps ErrNoPooler if there is no program.
func (s *Sandbox) Pooler(ctx context.Context, name string, to *Server, settings map[string]string) (_ *Pooler, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make pooler %s: %w", name, err)
		}
	}()
	program, err := FindPooler()
	if err != nil {
		return nil, err
	}
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("name %q: want lower case letters, digits and _", name)
	}
	p := &Pooler{sandbox: s, dir: filepath.Join(s.root, name), settings: maps.Clone(settings), to: to}
	out, err := s.account.command(ctx, "/", program, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	found := regexp.MustCompile(`(?i)pgbouncer (?:version )?(\d+\.\d+(?:\.\d+)?)`).FindSubmatch(out)
	if found == nil {
		return nil, fmt.Errorf("no version in %q", strings.TrimSpace(string(out)))
	}
	p.Version = string(found[1])
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(s.guard.tell(guardTemporary, p.dir), s.account.own(p.dir)); err != nil {
		return nil, err
	}
	for range 5 {
		if p.port, err = s.freePort(); err != nil {
			return nil, err
		}
		if err = p.start(ctx, program); err == nil || p.gone() && portFree(p.port) {
			return p, err
		}
	}
	return nil, err
}

// start runs the program and waits until it answers.
func (p *Pooler) start(ctx context.Context, program string) error {
	if err := errors.Join(p.configure(), p.launch(program)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout)
	defer cancel()
	return poll(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		if p.gone() {
			return false, fmt.Errorf("it ended; see %s", p.LogFile())
		}
		_, err := p.console(ctx, "SHOW VERSION")
		return err == nil, nil
	})
}

// launch runs the program as our child, whom a goroutine reaps.
func (p *Pooler) launch(program string) error {
	s := p.sandbox
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("sandbox is closed")
	}
	log, err := os.OpenFile(p.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// It outlives the context of its start.
	cmd := s.account.command(context.Background(), p.dir, program, "pgbouncer.ini")
	cmd.Stdout, cmd.Stderr = log, log
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return err
	}
	p.proc = &process{pid: cmd.Process.Pid, exited: make(chan struct{})}
	go reap(cmd, p.proc)
	if !slices.Contains(s.poolers, p) {
		s.poolers = append(s.poolers, p)
	}
	return nil
}

// configure writes pgbouncer.ini.
func (p *Pooler) configure() error {
	all := map[string]string{
		"listen_addr": "127.0.0.1", "listen_port": strconv.Itoa(p.port), "unix_socket_dir": "",
		"pidfile":   filepath.Join(p.dir, "pgbouncer.pid"),
		"auth_type": "any", "admin_users": "pgbouncer", "pool_mode": "transaction",
		// A server that is away is tried again soon, as the writers do.
		"server_login_retry": "0.1", "server_connect_timeout": "2",
	}
	maps.Copy(all, p.settings)
	var conf strings.Builder
	fmt.Fprintf(&conf, "[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\n", p.to.Port())
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&conf, "%s = %s\n", name, all[name])
	}
	path := filepath.Join(p.dir, "pgbouncer.ini")
	if err := os.WriteFile(path+".new", []byte(conf.String()), 0o600); err != nil {
		return err
	}
	if err := os.Lchown(path+".new", p.sandbox.account.uid, p.sandbox.account.gid); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// console runs a command of pgbouncer's own on its admin database and returns
// its rows as text.
func (p *Pooler) console(ctx context.Context, command string) ([][][]byte, error) {
	c, err := pgconn.ParseConfig("postgres://pgbouncer@" + p.Addr() + "/pgbouncer?sslmode=disable")
	if err != nil {
		return nil, err
	}
	c.Password, c.Fallbacks, c.RuntimeParams = "", nil, map[string]string{}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	results, err := conn.Exec(ctx, command).ReadAll()
	err = errors.Join(err, conn.Close(ctx))
	if len(results) == 0 {
		return nil, err
	}
	return results[0].Rows, err
}

// Retarget points the pooler at another server: connections to the old one are
// closed as soon as no transaction is under way on them.
func (p *Pooler) Retarget(ctx context.Context, to *Server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	err := p.configure()
	if err == nil {
		_, err = p.console(ctx, "RELOAD")
	}
	if err != nil {
		return fmt.Errorf("point pooler at server %s: %w", to.name, err)
	}
	return nil
}

// Addr is host:port.
func (p *Pooler) Addr() string { return "127.0.0.1:" + strconv.Itoa(p.port) }

// DSN is the URL of a database behind the pooler.
func (p *Pooler) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.Addr(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// LogFile is the file that holds what it logged.
func (p *Pooler) LogFile() string { return filepath.Join(p.dir, "pgbouncer.log") }

func (p *Pooler) gone() bool { return p.proc == nil || p.proc.gone() }

// end ends the process; it has nothing to save.
func (p *Pooler) end() error {
	if !p.gone() {
		if err := syscall.Kill(p.proc.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end pooler: %w", err)
		}
	}
	if p.proc != nil {
		<-p.proc.exited
	}
	return os.RemoveAll(p.dir)
}
