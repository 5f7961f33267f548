package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// choice is what copyTree does with one entry.
type choice int

const (
	copyAll  choice = iota
	copyBare        // a directory without its content
	copyNone
)

// copyTree copies a directory to a path that need not exist, with modes and
// symbolic links but not owners. Files that vanish meanwhile are left out, as a
// copy of a running server needs. choose decides by the path within from; nil
// copies all.
func copyTree(from, to string, choose func(rel string) choice) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(from, path)
		if rerr != nil {
			return rerr
		}
		if errors.Is(err, fs.ErrNotExist) && rel != "." {
			return nil
		}
		if err != nil {
			return err
		}
		what := copyAll
		if choose != nil && rel != "." {
			what = choose(rel)
		}
		if what == copyNone {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		err = copyEntry(path, filepath.Join(to, rel), e)
		if errors.Is(err, fs.ErrNotExist) && rel != "." {
			if _, serr := os.Lstat(path); errors.Is(serr, fs.ErrNotExist) {
				return nil
			}
		}
		if err == nil && what == copyBare && e.IsDir() {
			return fs.SkipDir
		}
		return err
	})
}

// copyEntry copies one file, link or empty directory; sockets and the like are
// left out.
func copyEntry(from, to string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	switch {
	case e.IsDir():
		if err := os.Mkdir(to, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case e.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case e.Type().IsRegular():
		return copyFile(from, to, info.Mode().Perm())
	}
	return nil
}

// copyFile copies the bytes of one file. On Linux they stay in the kernel.
func copyFile(from, to string, mode fs.FileMode) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := io.Copy(dst, src); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}
