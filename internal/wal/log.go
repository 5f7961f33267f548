package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// The errors of a log. They are wrapped with what was found.
var (
	// ErrUnknown says that the files are not of a log that is known.
	ErrUnknown = errors.New("the WAL is of an unknown kind")
	// ErrGone says that the log does not reach back to where it was to be read.
	ErrGone = errors.New("the WAL is not there")
)

// Log is one timeline's log in a directory of segments.
type Log struct {
	dir      string
	timeline pg.Timeline
	segment  uint64
	// Major is the server's version, by its pages.
	Major int
	// System is the cluster that the log is of.
	System pg.SystemID
}

// Open opens the log of a timeline in a pg_wal directory, to be read from the
// segment that holds from. The errors wrap [ErrGone] or [ErrUnknown].
func Open(dir string, tl pg.Timeline, from pg.LSN, segmentBytes uint64) (*Log, error) {
	if segmentBytes == 0 {
		return nil, fmt.Errorf("open WAL in %s: the size of a segment is not known", dir)
	}
	l := &Log{dir: dir, timeline: tl, segment: segmentBytes}
	name := pg.SegmentName(tl, from, segmentBytes)
	f, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, longHeader)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("open WAL %s in %s: %w: %w", name, dir, ErrUnknown, err)
	}
	p, err := segmentOf(b)
	if err != nil {
		return nil, fmt.Errorf("open WAL %s in %s: %w", name, dir, err)
	}
	if uint64(p.segment) != segmentBytes {
		return nil, fmt.Errorf("open WAL %s in %s: %w: segments of %d bytes, want %d", name, dir, ErrUnknown, p.segment, segmentBytes)
	}
	l.Major, l.System = majors()[p.magic], p.system
	return l, nil
}

// open opens a segment, whole or, where its timeline was left in it, as it was
// archived.
func (l *Log) open(name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(l.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if partial, second := os.Open(filepath.Join(l.dir, name+".partial")); second == nil {
			return partial, nil
		}
		return nil, fmt.Errorf("read WAL in %s: %w: %s", l.dir, ErrGone, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read WAL: %w", err)
	}
	return f, nil
}

// End is where reading stopped, and why.
type End struct {
	// At is where the next record would begin. It lies before the position that
	// was asked for where the log does not reach that.
	At  pg.LSN
	Why string
}

// Records gives the records from the first that starts at or past from, up to the
// end of the log, which it tells in end. An error is one of reading files; that
// the log ends is none.
func (l *Log) Records(from pg.LSN, end *End) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w := walk{log: l}
		defer w.close()
		r, ok, err := w.seek(from)
		for ok && err == nil {
			if r.Start >= from && !yield(r, nil) {
				return
			}
			r, ok, err = w.next()
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		*end = End{At: w.at, Why: w.why}
	}
}

// Commits gives the commits among [Log.Records].
func (l *Log) Commits(from pg.LSN, end *End) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		for r, err := range l.Records(from, end) {
			if err != nil {
				yield(Commit{}, err)
				return
			}
			c, is, err := r.Commit()
			if is && !yield(c, err) {
				return
			}
		}
	}
}
