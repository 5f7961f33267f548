package statefile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Found is one state file, read or not.
type Found struct {
	// Path is the file's, under the path that was asked for.
	Path string
	Slot Slot
	// Err says why the file could not be read; Slot is then empty.
	Err error
}

// Timeline is one history file of pg_wal.
type Timeline struct {
	Timeline pg.Timeline
	History  pg.History
}

// Directory is what a data directory, or a part of it, tells.
type Directory struct {
	// Path is what was read.
	Path string
	// Major is the server's major version by PG_VERSION, 0 where there is none.
	Major int
	// Control is nil where there is no pg_control; ControlErr says why one that
	// is there could not be read.
	Control    *Control
	ControlErr error
	// Slots are by path.
	Slots []Found
	// Timelines are the history files, by timeline.
	Timelines []Timeline
}

// Damaged is the first error of a file in the directory, nil if all were read.
func (d Directory) Damaged() error {
	if d.ControlErr != nil {
		return d.ControlErr
	}
	for _, s := range d.Slots {
		if s.Err != nil {
			return s.Err
		}
	}
	return nil
}

// Readable tells whether any file of a slot or of the server could be read.
func (d Directory) Readable() bool {
	return d.Control != nil || slices.ContainsFunc(d.Slots, func(s Found) bool { return s.Err == nil })
}

// Read reads a data directory, its pg_replslot, one slot's directory, or one
// file, state or pg_control. A path that is none of these is an error; a file in
// it that cannot be read is told of by the result.
func Read(path string) (Directory, error) {
	d := Directory{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		return d, fmt.Errorf("read slots: %w", err)
	}
	if !info.IsDir() {
		if filepath.Base(path) == "pg_control" {
			d.control(path)
			return d, nil
		}
		d.Major = majorAbove(path)
		d.slot(path)
		return d, nil
	}
	if within(path, "PG_VERSION") {
		return d, d.data(path)
	}
	d.Major = majorAbove(path)
	if within(path, "state") {
		d.slot(filepath.Join(path, "state"))
		return d, nil
	}
	if err := d.slots(path); err != nil {
		return d, err
	}
	if len(d.Slots) == 0 && filepath.Base(path) != "pg_replslot" {
		return d, fmt.Errorf("read slots of %s: it is no data directory, and no slot's state is in it", path)
	}
	return d, nil
}

// data reads a whole data directory.
func (d *Directory) data(path string) error {
	d.Major = majorOf(filepath.Join(path, "PG_VERSION"))
	d.control(filepath.Join(path, "global", "pg_control"))
	if err := d.timelines(filepath.Join(path, "pg_wal")); err != nil {
		return err
	}
	return d.slots(filepath.Join(path, "pg_replslot"))
}

func (d *Directory) control(path string) {
	file, err := os.ReadFile(path)
	if err == nil {
		var c Control
		if c, err = ParseControl(file); err == nil {
			d.Control = &c
			return
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		d.ControlErr = fmt.Errorf("read %s: it is not there", path)
		return
	}
	d.ControlErr = fmt.Errorf("read %s: %w", path, err)
}

// slots reads the state of each slot in a pg_replslot directory. What has no
// state yet, or a name that no slot can have, such as a slot half made (.tmp), is
// none.
func (d *Directory) slots(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("read slots: %w", err)
	}
	for _, e := range entries {
		state := filepath.Join(path, e.Name(), "state")
		if e.IsDir() && !strings.HasSuffix(e.Name(), ".tmp") && within(filepath.Join(path, e.Name()), "state") {
			d.slot(state)
		}
	}
	return nil
}

func (d *Directory) slot(path string) {
	found := Found{Path: path}
	file, err := os.ReadFile(path)
	if err == nil {
		found.Slot, err = ParseSlot(file, d.Major)
	}
	if err != nil {
		found.Err = fmt.Errorf("read %s: %w", path, err)
	}
	d.Slots = append(d.Slots, found)
}

func (d *Directory) timelines(path string) error {
	files, err := filepath.Glob(filepath.Join(path, "[0-9A-F]*.history"))
	if err != nil {
		return fmt.Errorf("read timelines: %w", err)
	}
	for _, file := range files {
		number, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(file), ".history"), 16, 32)
		if err != nil {
			continue // a stray file that only looks like one
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read timelines: %w", err)
		}
		history, err := pg.ParseHistory(string(text))
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		d.Timelines = append(d.Timelines, Timeline{pg.Timeline(number), history})
	}
	slices.SortFunc(d.Timelines, func(a, b Timeline) int { return cmp.Compare(a.Timeline, b.Timeline) })
	return nil
}

func within(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// majorAbove looks for PG_VERSION in the directories above a path, as far up as a
// data directory can be.
func majorAbove(path string) int {
	for range 3 {
		path = filepath.Dir(path)
		if major := majorOf(filepath.Join(path, "PG_VERSION")); major != 0 {
			return major
		}
	}
	return 0
}

func majorOf(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return major
}
