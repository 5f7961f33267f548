package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/wal"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// fromFiles reads a node from the data directory of a server that is down. The
// error says that there is none, or that its pg_control cannot be read; of a log
// that cannot, the end is among what was not seen.
func fromFiles(dir string) (lineage.Node, error) {
	d, err := statefile.Read(dir)
	if err != nil {
		return lineage.Node{}, err
	}
	if d.ControlErr != nil {
		return lineage.Node{}, d.ControlErr
	}
	if d.Control == nil || d.Major == 0 {
		return lineage.Node{}, fmt.Errorf("%s is no data directory: it has no PG_VERSION", dir)
	}
	c := d.Control
	n := lineage.Node{
		Name: dir, Role: lineage.Down, System: c.System, SegmentBytes: c.SegmentBytes, Version: fmt.Sprint(d.Major), State: c.State.String(),
		Writes: c.State != statefile.ShutDownInRecovery && c.State != statefile.InArchiveRecovery,
	}
	for _, b := range branchesOf(d) {
		end, err := endOf(dir, b, c.SegmentBytes)
		if err != nil && b.timeline != c.Timeline {
			continue // its log did not come so far
		}
		n.Timeline, n.HasHistory, n.History, n.End = b.timeline, b.known, b.history, end
		if err != nil {
			n.Unseen = append(n.Unseen, "the end of its WAL: "+oneLine(err))
		}
		break
	}
	if !n.HasHistory {
		n.Unseen = append(n.Unseen, fmt.Sprintf("the history of its timeline: there is no file of timeline %d", n.Timeline))
	}
	return n, nil
}

// ending is a timeline on which the log of a data directory may end.
type ending struct {
	timeline pg.Timeline
	known    bool
	history  pg.History
	// from is where its log is to be read from: a checkpoint, or its begin.
	from pg.LSN
}

// branchesOf are the timelines on which the log of a data directory may end, the
// latest first: that of the last checkpoint, and those that came after it, which
// pg_control does not name before a checkpoint of their own.
func branchesOf(d statefile.Directory) []ending {
	c := d.Control
	last := ending{timeline: c.Timeline, known: c.Timeline == 1, from: c.Checkpoint}
	var all []ending
	for _, t := range d.Timelines {
		e := ending{timeline: t.Timeline, known: true, history: t.History}
		left := slices.IndexFunc(t.History, func(s pg.Step) bool { return s.Parent == c.Timeline })
		switch {
		case t.Timeline == c.Timeline:
			last.known, last.history = true, t.History
		case left >= 0 && c.Checkpoint < t.History[left].End:
			e.from = t.History[len(t.History)-1].End
			all = append([]ending{e}, all...)
		}
	}
	return append(all, last)
}

// endOf reads the log of a timeline to its end.
func endOf(dir string, e ending, segmentBytes uint64) (pg.LSN, error) {
	log, err := wal.Open(filepath.Join(dir, "pg_wal"), e.timeline, e.from, segmentBytes)
	if err != nil {
		return 0, err
	}
	var end wal.End
	for _, err := range log.Records(e.from, &end) {
		if err != nil {
			return 0, err
		}
	}
	if end.At < e.from {
		return 0, fmt.Errorf("the log of timeline %d ends at %s, before %s: %s", e.timeline, end.At, e.from, end.Why)
	}
	return end.At, nil
}
