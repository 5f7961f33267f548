package sandbox_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

func TestFind(t *testing.T) {
	found, err := sandbox.Find(t.Context(), os.Getenv("PGRPO_PG_BINDIR"))
	must(t, err)
	for i, b := range found {
		if b.Major < 13 || b.Version == "" || (i > 0 && b.Major > found[i-1].Major) {
			t.Errorf("found %v, want the newest first and none below 13", found)
		}
	}
	empty := t.TempDir()
	if _, err := sandbox.Find(t.Context(), empty); !errors.Is(err, sandbox.ErrNoBinaries) || !strings.Contains(err.Error(), empty) {
		t.Errorf("Find in an empty directory: %v, want ErrNoBinaries that names it", err)
	}
}

// TestNPMPackage lays the installation out as npm does, with a link missing,
// below a directory that only we can enter.
func TestNPMPackage(t *testing.T) {
	tmp, err := os.MkdirTemp("", "pgrpo-test-") // for the cache
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(tmp)) })
	must(t, os.Chmod(tmp, 0o755))
	t.Setenv("TMPDIR", tmp)
	pkg := t.TempDir()
	bin := filepath.Join(pkg, "native", "bin")
	lib := filepath.Join(pkg, "native", "lib")
	must(t, errors.Join(os.MkdirAll(bin, 0o755), os.MkdirAll(lib, 0o755)))
	for _, name := range []string{"initdb", "pg_ctl"} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	}
	script := "#!/bin/sh\nexec cat \"${0%/bin/*}/lib/link\"\n"
	must(t, os.WriteFile(filepath.Join(bin, "postgres"), []byte(script), 0o755))
	must(t, os.WriteFile(filepath.Join(lib, "real"), []byte("postgres (PostgreSQL) 17.99\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(pkg, "native", "pg-symlinks.json"),
		[]byte(`[{"source":"native/lib/real","target":"native/lib/link"}]`), 0o644))
	must(t, os.Chmod(pkg, 0o700))
	found, err := sandbox.Find(t.Context(), bin)
	must(t, err)
	if found[0].Version != "17.99" || found[0].Major != 17 {
		t.Errorf("found %v, want 17.99", found)
	}
	if os.Geteuid() == 0 && found[0].Dir == bin {
		t.Error("a package that the server user cannot reach was not copied")
	}
}

func TestPrimary(t *testing.T) {
	ctx := within(t)
	s := sandboxtest.Open(t)
	a, err := s.Primary(ctx, "a", map[string]string{"work_mem": "5MB"})
	must(t, err)
	b, err := s.Primary(ctx, "b", nil)
	must(t, err)
	const id = "SELECT system_identifier FROM pg_control_system()"
	if x, y := value(t, a, id), value(t, b, id); x == y {
		t.Errorf("two primaries have system identifier %s", x)
	}
	want(t, a, "SHOW work_mem", "5MB")
	want(t, a, "SHOW fsync", "off")
	must(t, a.Set(ctx, "application_name", "it's"))
	must(t, a.Set(ctx, "work_mem", "6MB"))
	want(t, a, "SHOW work_mem", "6MB")
	conn, err := pgconn.Connect(ctx, a.DSN("template1"))
	must(t, err)
	must(t, conn.Close(ctx))

	must(t, a.Exec(ctx, "CREATE ROLE alice LOGIN PASSWORD 'secret'"))
	must(t, a.SetHBA(ctx, "host all alice 127.0.0.1/32 scram-sha-256"))
	alice := func(password string) error {
		conn, err := pgconn.Connect(ctx, "postgres://alice:"+password+"@"+a.Addr()+"/postgres?sslmode=disable")
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	must(t, alice("secret"))
	var pgErr *pgconn.PgError
	if err := alice("wrong"); !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
		t.Errorf("wrong password: %v, want 28P01", err)
	}
	if _, err := s.Primary(ctx, "a", nil); err == nil {
		t.Error("a second server of the same name was made")
	}
	if _, err := s.Primary(ctx, "Bad Name", nil); err == nil {
		t.Error("a server of an impossible name was made")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	ctx := within(t)
	b, err := sandboxtest.Binaries(ctx)
	must(t, err)
	s, err := sandbox.Open(ctx, sandbox.Config{Binaries: b})
	must(t, err)
	v, err := s.Primary(ctx, "p", nil)
	must(t, err)
	must(t, v.Freeze())
	must(t, s.Close())
	must(t, s.Close())
	if v.Running() {
		t.Error("server runs after Close")
	}
	if _, err := os.Stat(s.Root()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s after Close: %v", s.Root(), err)
	}
	if _, err := s.Primary(ctx, "q", nil); err == nil {
		t.Error("a closed sandbox made a server")
	}
}

func TestKeptIsReopened(t *testing.T) {
	ctx := within(t)
	b, err := sandboxtest.Binaries(ctx)
	must(t, err)
	// A directory that a server user other than ours cannot reach.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	must(t, os.MkdirAll(dir, 0o700))
	config := sandbox.Config{Binaries: b, Dir: dir, Lifetime: sandbox.Kept}
	s, err := sandbox.Open(ctx, config)
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(s.Root())) })
	v, err := s.Primary(ctx, "repo", map[string]string{"work_mem": "7MB"})
	must(t, err)
	must(t, v.Exec(ctx, "CREATE TABLE t AS SELECT 7 AS x"))
	port := v.Port()
	must(t, s.Close())

	config.Lifetime = sandbox.Temporary // what is reopened is kept all the same
	again, err := sandbox.Open(ctx, config)
	must(t, err)
	if !again.Has("repo") || again.Has("other") {
		t.Error("Has is wrong about what was kept")
	}
	w, err := again.Reopen(ctx, "repo")
	must(t, err)
	want(t, w, "SELECT x FROM t", "7")
	want(t, w, "SHOW work_mem", "7MB")
	if w.Port() != port {
		t.Errorf("port %d after reopening, was %d", w.Port(), port)
	}
	must(t, os.Mkdir(filepath.Join(again.Root(), "mine"), 0o755))
	must(t, os.WriteFile(filepath.Join(again.Root(), "mine", "file"), nil, 0o644))
	if _, err := again.Primary(ctx, "mine", nil); err == nil {
		t.Error("a server was made in a folder that is not the sandbox's")
	}
	must(t, again.Close())
	for _, kept := range []string{"repo/data/PG_VERSION", "mine/file"} {
		if _, err := os.Stat(filepath.Join(again.Root(), kept)); err != nil {
			t.Error(err)
		}
	}
}

// startChild runs the test binary as child and returns what it printed.
func startChild(t *testing.T, mode string) (*exec.Cmd, []string) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("read from child: %v", err)
	}
	return cmd, strings.Split(strings.TrimSpace(string(buf[:n])), "\t")
}

// vanished says whether nobody listens at the addresses.
func vanished(addrs ...string) bool {
	for _, a := range addrs {
		conn, err := net.DialTimeout("tcp", a, time.Second)
		if err == nil {
			_ = conn.Close()
			return false
		}
	}
	return true
}

func TestGuardEndsWhatAKilledProcessLeaves(t *testing.T) {
	cmd, facts := startChild(t, "temporary")
	if vanished(facts[1]) {
		t.Error("child's server does not listen")
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	eventually(t, "servers and directory gone", func() bool {
		_, err := os.Stat(facts[0])
		return errors.Is(err, os.ErrNotExist) && vanished(facts[1:]...)
	})
}

func TestGuardKeepsWhatIsKept(t *testing.T) {
	ctx := within(t)
	b, err := sandboxtest.Binaries(ctx)
	must(t, err)
	dir := t.TempDir()
	cmd, facts := startChild(t, dir)
	t.Cleanup(func() { must(t, os.RemoveAll(facts[0])) })
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	// The guard of the killed process is still at work: the server that is
	// opened again at once must not fall to it.
	s, err := sandbox.Open(ctx, sandbox.Config{Binaries: b, Dir: dir, Lifetime: sandbox.Kept})
	must(t, err)
	v, err := s.Reopen(ctx, "p")
	must(t, err)
	want(t, v, "SELECT x FROM t", "7")
	must(t, s.Close())
}

func TestFreezeAndThaw(t *testing.T) {
	ctx := within(t)
	v := sandboxtest.Primary(t)
	must(t, v.Freeze())
	if !v.Running() {
		t.Error("a frozen server counts as gone")
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := v.Exec(short, "SELECT 1"); err == nil {
		t.Error("a frozen server answered")
	}
	must(t, v.Thaw())
	want(t, v, "SELECT 1", "1")
	must(t, v.Freeze())
	must(t, v.Stop(ctx, sandbox.Fast))
	if err := v.Freeze(); err == nil {
		t.Error("a stopped server was frozen")
	}
	must(t, v.Restart(ctx))
	want(t, v, "SELECT 1", "1")
}

// TestFailoverLosesExactlyWhatTheRelayHeld is the sandbox's purpose: a loss
// whose size is known from outside.
func TestFailoverLosesExactlyWhatTheRelayHeld(t *testing.T) {
	ctx := within(t)
	s := sandboxtest.Open(t)
	p, err := s.Primary(ctx, "p", nil)
	must(t, err)
	r, err := relay.Listen(ctx, p.Addr())
	must(t, err)
	defer func() { must(t, r.Close()) }()
	sb, err := s.Standby(ctx, "s", p, r.Addr())
	must(t, err)
	must(t, sb.WaitStreaming(ctx, p))
	// Where commits wait for a standby, StartAlone must not.
	must(t, p.Set(ctx, "synchronous_standby_names", "s"))
	must(t, p.Exec(ctx, "CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 10)"))
	must(t, sb.WaitReplayed(ctx, p))
	want(t, sb, "SELECT count(*) FROM t", "10")

	r.Freeze()
	must(t, p.Exec(ctx, "SET synchronous_commit = local; INSERT INTO t SELECT generate_series(11, 17)"))
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if err := sb.WaitReplayed(short, p); err == nil {
		t.Fatal("the standby replayed past a frozen relay")
	}
	r.Resume()
	must(t, sb.WaitReplayed(ctx, p))
	want(t, sb, "SELECT count(*) FROM t", "17")

	r.Freeze()
	must(t, p.Exec(ctx, "SET synchronous_commit = local; INSERT INTO t SELECT generate_series(18, 20)"))
	must(t, p.Kill())
	r.Sever()
	must(t, sb.Promote(ctx))
	want(t, sb, "SELECT count(*) FROM t", "17")
	must(t, sb.Exec(ctx, "INSERT INTO t VALUES (99)")) // waits for nobody

	must(t, p.StartAlone(ctx))
	want(t, p, "SELECT count(*) FROM t", "20")
	must(t, p.Exec(ctx, "INSERT INTO t VALUES (98)"))
	want(t, p, "SELECT pg_is_in_recovery()", "f")
	must(t, p.Stop(ctx, sandbox.Immediate))

	// The old primary has WAL past the fork: it must not come back silently.
	short, cancel = context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := p.Rejoin(short, sb, ""); err == nil {
		t.Error("a primary with WAL past the fork rejoined")
	}
}

func TestSwitchover(t *testing.T) {
	ctx := within(t)
	s := sandboxtest.Open(t)
	a, err := s.Primary(ctx, "a", nil)
	must(t, err)
	b, err := s.Standby(ctx, "b", a, "")
	must(t, err)
	must(t, a.Exec(ctx, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS x"))
	c, err := s.Standby(ctx, "c", a, "")
	must(t, err)
	must(t, c.WaitReplayed(ctx, a))
	want(t, c, "SELECT count(*) FROM t", "1000")
	for _, roles := range [][2]*sandbox.Server{{a, b}, {b, a}} {
		from, to := roles[0], roles[1]
		must(t, from.Exec(ctx, "INSERT INTO t VALUES (0)"))
		must(t, sandbox.Switchover(ctx, from, to, ""))
		must(t, c.Rejoin(ctx, to, ""))
		must(t, to.Exec(ctx, "INSERT INTO t VALUES (0)"))
		for _, standby := range []*sandbox.Server{from, c} {
			must(t, standby.WaitReplayed(ctx, to))
			if got, now := value(t, standby, "SELECT count(*) FROM t"), value(t, to, "SELECT count(*) FROM t"); got != now {
				t.Errorf("%s has %s rows, %s has %s", standby.Name(), got, to.Name(), now)
			}
		}
	}
	want(t, a, "SELECT count(*) FROM t", "1004")
	want(t, a, "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots WHERE active", "b,c")
}
