package gather

import (
	"fmt"
	"path/filepath"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/wal"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// Directory is the data directory of a server that is down. Nothing is written to
// it.
type Directory struct {
	Path string
	// Timeline is that of its last checkpoint.
	Timeline pg.Timeline
	System   pg.SystemID
	segment  uint64
	// histories are the history files that it has.
	histories map[pg.Timeline]pg.History
}

// OpenDirectory reads what a data directory says of itself. One that is none, or
// whose pg_control cannot be read, is refused.
func OpenDirectory(path string) (*Directory, error) {
	read, err := statefile.Read(path)
	if err != nil {
		return nil, trouble.Refuse("read data directory: %w", err)
	}
	if read.Control == nil {
		if read.ControlErr == nil {
			return nil, trouble.Refuse("read data directory %s: it is none: PG_VERSION is not in it", path)
		}
		return nil, trouble.Refuse("read data directory: %w", read.ControlErr)
	}
	d := &Directory{
		Path: path, Timeline: read.Control.Timeline, System: read.Control.System, segment: read.Control.SegmentBytes,
		histories: make(map[pg.Timeline]pg.History),
	}
	for _, t := range read.Timelines {
		d.histories[t.Timeline] = t.History
	}
	return d, nil
}

// holds tells whether the directory has the branch's timeline, as far as a system
// identifier and histories tell, and if not, why.
func (d *Directory) holds(all pg.Branches, b pg.Branch) (why string, ok bool) {
	if b.System != d.System {
		return fmt.Sprintf("the directory is of system %s", d.System), false
	}
	for _, other := range all {
		if other.ID != b.ID && other.System == b.System && other.Timeline == b.Timeline && other.History.Text() == b.History.Text() {
			return fmt.Sprintf("branch %d has the same timeline and history, and files do not tell the two apart", other.ID), false
		}
	}
	if b.Timeline == 1 {
		return "", true
	}
	history, there := d.histories[b.Timeline]
	switch {
	case !there:
		return fmt.Sprintf("the directory has no history of timeline %d", b.Timeline), false
	case !b.HasHistory:
		return fmt.Sprintf("the run did not learn the history of timeline %d", b.Timeline), false
	case history.Text() != b.History.Text():
		return fmt.Sprintf("the directory's timeline %d has another history", b.Timeline), false
	}
	return "", true
}

// log opens the WAL of a timeline in the directory.
func (d *Directory) log(tl pg.Timeline, from pg.LSN) (*wal.Log, error) {
	log, err := wal.Open(filepath.Join(d.Path, "pg_wal"), tl, from, d.segment)
	if err == nil && log.System != d.System {
		err = fmt.Errorf("the WAL of timeline %d in %s is of system %s, pg_control is of %s", tl, d.Path, log.System, d.System)
	}
	return log, err
}

// commit looks for the commit record of a transaction between two positions; an end
// of 0 is the end of the log. ok is false where there is none.
func (d *Directory) commit(tl pg.Timeline, from, to pg.LSN, xid pg.Xid) (found wal.Commit, ok bool, err error) {
	log, err := d.log(tl, from)
	if err != nil {
		return found, false, err
	}
	var end wal.End
	for c, err := range log.Commits(from, &end) {
		switch {
		case err != nil:
			return found, false, err
		case to != 0 && c.Start >= to:
			return found, false, nil
		case c.Xid == xid:
			return c, true, nil
		}
	}
	return found, false, nil
}
