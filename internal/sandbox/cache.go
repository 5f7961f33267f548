package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cacheDir is this user's cache, shared by all processes: a directory of our own
// that nobody else can write to, in a place that the server user can reach. A
// cache may be removed at any time while no sandbox is being opened.
func (a account) cacheDir(ctx context.Context) (string, error) {
	var errs []error
	for _, place := range []string{os.TempDir(), "/tmp"} {
		dir := filepath.Join(place, fmt.Sprintf("pgrpo-cache-%d", os.Geteuid()))
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
			continue
		}
		info, err := os.Lstat(dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
			errs = append(errs, fmt.Errorf("%s is not a directory that only we can write to", dir))
			continue
		}
		if !a.reaches(ctx, dir) {
			_ = os.Remove(dir) // if it is empty, as it must be
			errs = append(errs, fmt.Errorf("user %s cannot use %s", a.name, dir))
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("make cache: %w", errors.Join(errs...))
}

// cached returns the directory of that name in the cache. If it is not there,
// build makes it under another name first; it is moved to its own in one step,
// so that nobody sees half of it, and whoever is second uses the first one's.
func (a account) cached(ctx context.Context, name string, build func(dir string) error) (_ string, err error) {
	cache, err := a.cacheDir(ctx)
	if err != nil {
		return "", err
	}
	epoch := time.Now().Unix() / int64(cacheEpoch/time.Second)
	dir := filepath.Join(cache, fmt.Sprintf("%s-%d", name, epoch))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := sweep(cache, time.Now().Add(-2*cacheEpoch)); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	if err := build(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, serr := os.Stat(dir); serr == nil {
			return dir, nil
		}
		return "", fmt.Errorf("move into cache: %w", err)
	}
	return dir, nil
}

// cacheEpoch is how long an entry is used at most; after two of them it is
// removed. Systems that clean their temporary directory do so file by file, after
// ten days as a rule: no entry may become so old that it has holes.
const cacheEpoch = 72 * time.Hour

// sweep removes entries that were made before a time.
func sweep(cache string, before time.Time) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fmt.Errorf("sweep cache: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // young, or another process has removed it
		}
		if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
			return fmt.Errorf("sweep cache: %w", err)
		}
	}
	return nil
}

// digest is a short name for a list of strings.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
