package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/plan"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Place is the directory of one run. It and its files are readable by their
// owner only, and hold no password.
type Place struct{ Dir string }

// Journal is the path of a driver's journal.
func (p Place) Journal(d txn.Driver) string {
	return filepath.Join(p.Dir, "journal", fmt.Sprintf("%d.journal", d))
}

// Journals lists the paths of all journals, by driver.
func (p Place) Journals() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(p.Dir, "journal", "*.journal"))
	if err != nil {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	return paths, nil
}

// Report is the path of the report.
func (p Place) Report() string { return filepath.Join(p.Dir, "report.json") }

// RepoDir holds the embedded repo.
func (p Place) RepoDir() string { return filepath.Join(p.Dir, "repo") }

// Record is run.json: what a later command must know of a run, without
// secrets.
type Record struct {
	Run          txn.Run       `json:"run"`
	Started      time.Time     `json:"started"`
	Seed         uint64        `json:"seed,string"`
	Mix          plan.Mix      `json:"mix"`
	Workers      []txn.Worker  `json:"workers"`
	Slot         string        `json:"slot"`
	EmbeddedRepo bool          `json:"embedded_repo"`
	BinDir       string        `json:"pg_bindir,omitempty"`
	Version      string        `json:"version"`
	CaptureWait  time.Duration `json:"capture_timeout"`
	// Database is the name that the loaded database has on its server.
	Database string `json:"database"`
	// Pooled says that the endpoint was seen to be a pooler's.
	Pooled bool `json:"pooled,omitempty"`
	// Cluster and Repo name hosts, ports and databases, for people.
	Cluster string `json:"cluster"`
	Repo    string `json:"repo"`
	// Nodes are the addresses of all nodes that the run was to ask.
	Nodes []string `json:"nodes,omitempty"`
	// Asked is what the run is judged by: its limits, and what was expected.
	Asked compare.Case `json:"asked,omitzero"`
}

// RunName is the form in which people see and give a run: its start in UTC.
func RunName(r txn.Run) string { return time.Unix(int64(r), 0).UTC().Format("20060102-150405") }

var numeric = regexp.MustCompile(`^[0-9]+$`)

// ParseRunName reads the form of [RunName], or the plain number.
func ParseRunName(s string) (txn.Run, error) {
	if t, err := time.ParseInLocation("20060102-150405", s, time.UTC); err == nil && t.Unix() > 0 && t.Unix() <= 1<<31-1 {
		return txn.Run(t.Unix()), nil
	}
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && numeric.MatchString(s) && n > 0 {
		return txn.Run(n), nil
	}
	return 0, trouble.Refuse("%q is no run: want a form such as 20261120-170201", s)
}

// makePlace makes the directory of a new run below root. The error wraps
// fs.ErrExist if another run has it.
func makePlace(root string, r txn.Run) (Place, error) {
	p := Place{filepath.Join(root, RunName(r))}
	if err := os.Mkdir(p.Dir, 0o700); err != nil {
		return Place{}, refusedDir(p.Dir, err)
	}
	if err := os.Mkdir(filepath.Join(p.Dir, "journal"), 0o700); err != nil {
		return Place{}, errors.Join(refusedDir(p.Dir, err), os.Remove(p.Dir))
	}
	return p, nil
}

// full tells whether a disk, or what a user may have of it, is used up.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func refusedDir(dir string, err error) error {
	if full(err) {
		return trouble.Unreachable("make run directory %s: %w: make room, or name another with --run-dir", dir, err)
	}
	return trouble.Refuse("make run directory %s: %w: name a directory that can be written with --run-dir", dir, err)
}

// canMakePlaces checks, before anything is made elsewhere, that directories can be
// made below root.
func canMakePlaces(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return refusedDir(root, err)
	}
	probe, err := os.MkdirTemp(root, ".pgrpo-*")
	if err != nil {
		return refusedDir(root, err)
	}
	return os.Remove(probe)
}

// FindPlace finds the directory of an earlier run below root. One without a record
// is of a run that has sent nothing.
func FindPlace(root string, r txn.Run) (Place, error) {
	p := Place{filepath.Join(root, RunName(r))}
	if _, err := os.Stat(filepath.Join(p.Dir, "run.json")); err != nil {
		if _, inside := os.Stat(filepath.Join(p.Dir, "journal")); inside == nil && errors.Is(err, fs.ErrNotExist) {
			return p, trouble.Refuse("run %s has sent nothing, and there is nothing to judge: if its process is gone, remove %s", RunName(r), p.Dir)
		}
		return p, trouble.Refuse("run %s is not in %s: name the directory that holds it with --run-dir: %w", RunName(r), root, err)
	}
	return p, nil
}

// Write stores the record durably.
func (r Record) write(p Place) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode run.json: %w", err)
	}
	err = WriteFile(filepath.Join(p.Dir, "run.json"), append(b, '\n'))
	if full(err) {
		return trouble.Unreachable("%w: make room, or name another directory with --run-dir", err)
	}
	return err
}

// ReadRecord reads the record of an earlier run.
func ReadRecord(p Place) (Record, error) {
	var r Record
	b, err := os.ReadFile(filepath.Join(p.Dir, "run.json"))
	if err != nil {
		return r, fmt.Errorf("read run: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read run: %s: %w", filepath.Join(p.Dir, "run.json"), err)
	}
	return r, nil
}

// WriteFile writes a file that is whole or absent, readable by its owner only:
// written under another name, synced, renamed, and the directory synced.
func WriteFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			// The name that it had for a moment tells nobody anything.
			if inner, ok := errors.AsType[*fs.PathError](err); ok {
				err = inner.Err
			}
			err = fmt.Errorf("write %s: %w", path, err)
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
