package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// secret is the password that must be seen nowhere.
const secret = "Sesame-7f3a91"

// needPasswords makes a role that must give the secret.
func needPasswords(t *testing.T, v *sandbox.Server) {
	t.Helper()
	if err := v.Exec(t.Context(), "set password_encryption = 'scram-sha-256'; create role keeper superuser login password '"+secret+"'"); err != nil {
		t.Fatal(err)
	}
	if err := v.SetHBA(t.Context(), "host all keeper 127.0.0.1/32 scram-sha-256"); err != nil {
		t.Fatal(err)
	}
}

// The password is shown nowhere, wherever it comes from, and whether the run
// succeeds or fails.
func TestPasswordsStayHidden(t *testing.T) {
	p := openPair(t)
	needPasswords(t, p.primary)
	needPasswords(t, p.repo)
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	seen := watchArguments(t, told)
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	service := func(name string, v *sandbox.Server) string {
		host, port, err := net.SplitHostPort(v.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("[%s]\nhost=%s\nport=%s\ndbname=postgres\nuser=keeper\npassword=%s\nsslmode=disable\n", name, host, port, secret)
	}
	plain := func(v *sandbox.Server) string { return as(v.DSN("postgres"), "keeper") }
	for _, tc := range []struct {
		name          string
		env           map[string]string
		primary, repo string
	}{
		{"in the DSN", nil, as(p.primary.DSN("postgres"), "keeper:"+secret), as(p.repo.DSN("postgres"), "keeper:"+secret)},
		{"PGPASSWORD", map[string]string{"PGPASSWORD": secret}, plain(p.primary), plain(p.repo)},
		{"password file", map[string]string{"PGPASSFILE": write("pgpass", "*:*:*:keeper:"+secret+"\n")}, plain(p.primary), plain(p.repo)},
		{"service file", map[string]string{"PGSERVICEFILE": write("services", service("one", p.primary)+service("two", p.repo))},
			"service=one", "service=two"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			runDir := t.TempDir()
			args := p.quick(runDir, "--expect=none", "--log-level=debug", "--evidence", "--fault-cmd=sleep 0.2; while [ ! -e '"+told+"' ]; do sleep 0.2; done")
			args[2], args[4] = tc.primary, tc.repo
			r := hushed(t, args...)
			if r.status != 0 {
				t.Errorf("status %d, want 0", r.status)
			}
			hidden(t, "the output", []byte(r.stdout+r.stderr))
			searchFiles(t, runDir)
			searchTables(t, p.repo)
			searchTables(t, p.primary)
		})
	}
	for name, args := range map[string][]string{
		"no such database": {as(p.primary.DSN("nosuch"), "keeper:"+secret), as(p.repo.DSN("postgres"), "keeper:"+secret)},
		"wrong password":   {as(p.primary.DSN("postgres"), "keeper:not-"+secret), as(p.repo.DSN("postgres"), "keeper:"+secret)},
		"repo's wrong":     {as(p.primary.DSN("postgres"), "keeper:"+secret), as(p.repo.DSN("postgres"), "keeper:not-"+secret)},
		"server down":      {"postgres://keeper:" + secret + "@127.0.0.1:1/postgres", as(p.repo.DSN("postgres"), "keeper:"+secret)},
		"repo down":        {as(p.primary.DSN("postgres"), "keeper:"+secret), "postgres://keeper:" + secret + "@127.0.0.1:1/postgres"},
		"malformed":        {"postgres://keeper:" + secret + "@127.0.0.1:port/postgres", ""},
		"two in one":       {"postgres://keeper@127.0.0.1:1/postgres,postgres://keeper:" + secret + "@127.0.0.1:1/postgres", as(p.repo.DSN("postgres"), "keeper:"+secret)},
		"no question":      {"postgres://keeper@127.0.0.1:1/postgres&password=" + secret, as(p.repo.DSN("postgres"), "keeper:"+secret)},
		"repo two in one":  {as(p.primary.DSN("postgres"), "keeper:"+secret), "postgres://keeper@127.0.0.1:1/postgres,postgres://keeper:" + secret + "@127.0.0.1:1/postgres"},
		"repo malformed":   {as(p.primary.DSN("postgres"), "keeper:"+secret), "host=127.0.0.1 password=" + secret + " port=none"},
	} {
		runDir := t.TempDir()
		r := hushed(t, "run", "--primary-pgdsn", args[0], "--repo-pgdsn", args[1], "--run-dir", runDir, "--log-level=debug")
		if r.status != 3 && r.status != 4 {
			t.Errorf("%s: status %d, want 3 or 4", name, r.status)
		}
		hidden(t, name+": the output", []byte(r.stdout+r.stderr))
		searchFiles(t, runDir)
	}
	for _, line := range seen() {
		hidden(t, "the arguments of a process", []byte(line))
	}
}

// hushed runs a command line without logging it, since it holds the password.
func hushed(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr strings.Builder
	return result{execute(t.Context(), args, &stdout, &stderr), stdout.String(), stderr.String()}
}

// hidden fails where the text holds the secret, plain or in hexadecimal.
func hidden(t *testing.T, what string, text []byte) {
	t.Helper()
	for _, form := range []string{secret, hex.EncodeToString([]byte(secret))} {
		if i := strings.Index(string(text), form); i >= 0 {
			t.Errorf("%s shows the password: ...%.60s", what, text[max(i-50, 0):i])
		}
	}
}

// searchFiles looks for the secret in all that a run left, and at who may read
// it.
func searchFiles(t *testing.T, runDir string) {
	t.Helper()
	err := filepath.WalkDir(runDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == runDir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others may read it", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		hidden(t, path, content)
		if err == nil && strings.HasSuffix(path, ".gz") {
			hidden(t, path+", unpacked", unpacked(t, path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// searchTables looks for the secret in all that pgrpo keeps on a server.
func searchTables(t *testing.T, v *sandbox.Server) {
	t.Helper()
	names, err := v.Value(t.Context(), "select string_agg(oid::regclass::text, ' ') from pg_class where relnamespace = 'pgrpo'::regnamespace and relkind in ('r', 'p', 'v', 'm')")
	if err != nil || names == "" {
		t.Fatalf("tables of %s: %q, %v", v.Name(), names, err)
	}
	for name := range strings.FieldsSeq(names) {
		text, err := v.Value(t.Context(), fmt.Sprintf("select string_agg(x::text, e'\\n') from (select * from %s limit 2000) x", name))
		if err != nil {
			t.Error(err)
		}
		hidden(t, name+" of "+v.Name(), []byte(text))
	}
}

// watchArguments looks at the arguments of all processes until the returned
// function is called, which gives all that were seen. When the child of a run was
// seen it makes the file told.
func watchArguments(t *testing.T, told string) func() []string {
	t.Helper()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Log("no process can be looked at on this system: their arguments are not checked")
		if err := os.WriteFile(told, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return func() []string { return nil }
	}
	ctx, cancel := context.WithCancel(t.Context())
	all := map[string]bool{}
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range paths {
				line, err := os.ReadFile(path)
				if err != nil || all[string(line)] {
					continue
				}
				all[string(line)] = true
				if isChild(string(line)) {
					if err := os.WriteFile(told, nil, 0o600); err != nil {
						t.Error(err)
					}
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	stop := func() []string {
		cancel()
		wait.Wait()
		var lines []string
		for line := range all {
			lines = append(lines, line)
		}
		slices.Sort(lines)
		return lines
	}
	t.Cleanup(func() { stop() })
	return func() []string {
		lines := stop()
		if !slices.ContainsFunc(lines, isChild) {
			t.Error("the child of a run was not seen: nothing is proven of its arguments")
		}
		return lines
	}
}

// isChild tells whether a process is the child of a run.
func isChild(line string) bool { return strings.Contains(line, "sleep\x000.2") }
