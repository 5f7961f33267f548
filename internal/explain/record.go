package explain

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// Record is where a commit record is, or between which positions it lies.
type Record struct {
	Branch   pg.BranchID `json:"branch"`
	Timeline pg.Timeline `json:"timeline"`
	// Exact says that the stream told the very record, or that it was read in the
	// WAL. Else the client's interval bounds it: it starts at or past LSN and ends at
	// or before End, which may be unknown.
	Exact bool    `json:"exact"`
	LSN   pg.LSN  `json:"lsn"`
	End   *pg.LSN `json:"end_lsn"`
	// Segment is the WAL file that holds LSN, and Offset the byte in it; null
	// where no server told how large its files are.
	Segment *string `json:"wal_segment"`
	Offset  *uint64 `json:"wal_offset"`
	Forks   []Fork  `json:"forks"`
	// Seen is the record as it was read, null where nobody could read it.
	Seen *Sighting `json:"seen"`
	// Waldump is the command that shows it where the WAL still is.
	Waldump string `json:"pg_waldump"`
}

// Side is where a record lies to a fork.
type Side string

// The sides. A record that starts at the fork lies past it.
const (
	Before  Side = "before"
	Past    Side = "past"
	Unclear Side = "unclear"
)

// Fork is a branch that left the record's own, or the survivor's.
type Fork struct {
	Branch   pg.BranchID `json:"branch"`
	Timeline pg.Timeline `json:"timeline"`
	// LSN is the first byte that the two do not share; null where it is not known.
	LSN  *pg.LSN `json:"lsn"`
	Side Side    `json:"side"`
	// Bytes is how far the record starts from the fork, at the least where only
	// an interval is known; null with an unclear side.
	Bytes *uint64 `json:"bytes"`
	// Survivor says that the branch is the survivor's.
	Survivor bool `json:"survivor"`
}

// records are the places of the commit record: one for each position in the
// stream, or else the one where it was read within the client's interval, or else
// that interval. A transaction that was rolled back has none.
func (f Facts) records() []Record {
	all := []Record{}
	for _, c := range f.Commits {
		all = append(all, f.record(c.Branch, c.LSN, c.End, true, c.Xid))
	}
	if len(all) == 0 && f.Min != 0 && f.Branch != 0 && f.Account != compare.Failed {
		from, end, exact := f.Min, f.Max, false
		if s, ok := f.sighted(); ok {
			from, end, exact = s.Start, s.End, true
		}
		all = append(all, f.record(f.Branch, from, end, exact, f.Entry.Xid))
	}
	return all
}

// sighted is the commit record that was read in the WAL within the client's interval,
// if all who read it found it at one position.
func (f Facts) sighted() (one Sighting, ok bool) {
	for _, s := range f.Sightings {
		if s.Branch != f.Branch || s.Xid != f.Entry.Xid || s.Start < f.Min || f.Max != 0 && s.End > f.Max {
			continue
		}
		if ok && s.Start != one.Start {
			return Sighting{}, false
		}
		one, ok = s, true
	}
	return one, ok
}

func (f Facts) record(on pg.BranchID, from, end pg.LSN, exact bool, xid pg.Xid) Record {
	b, _ := f.Branches.Of(on)
	r := Record{Branch: on, Timeline: b.Timeline, Exact: exact, LSN: from, End: known(end), Forks: []Fork{}}
	for i, s := range f.Sightings {
		if s.Branch == on && s.Xid == xid && s.Start >= from && (end == 0 || s.End <= end) {
			r.Seen = &f.Sightings[i]
		}
	}
	if f.SegmentBytes != 0 {
		offset := uint64(from) % f.SegmentBytes
		r.Segment, r.Offset = known(pg.SegmentName(b.Timeline, from, f.SegmentBytes)), &offset
	}
	for _, other := range f.Branches {
		if fork, told := f.fork(r, other); told {
			r.Forks = append(r.Forks, fork)
		}
	}
	dir := `"$PGDATA"`
	if r.Seen != nil && r.Seen.Source == f.Directory {
		dir = f.Directory
	}
	r.Waldump = fmt.Sprintf("pg_waldump -p %s -t %d -s %s", quote(filepath.Join(dir, "pg_wal")), b.Timeline, from)
	if end != 0 {
		r.Waldump += " -e " + end.String()
	}
	if !exact {
		r.Waldump += " -r Transaction"
		if xid != 0 {
			r.Waldump += fmt.Sprintf(" -x %d", xid)
		}
	}
	return r
}

// fork tells how the record lies to a branch that left its own, or to the
// survivor's, which may have left another.
func (f Facts) fork(r Record, other pg.Branch) (Fork, bool) {
	cut, relation := f.Branches.Cut(r.Branch, other.ID)
	at := Fork{Branch: other.ID, Timeline: other.Timeline, Side: Unclear, Survivor: other.ID == f.Survivor.Branch}
	if other.ID == r.Branch || relation != pg.Ancestor && !at.Survivor {
		return at, false
	}
	if relation != pg.Ancestor {
		// There is no one fork between the two; the history may tell the side.
		if survives, told := f.Branches.Survives(pg.Position{Branch: r.Branch, LSN: r.LSN}, other.ID); told && !survives {
			at.Side = Past
		} else if told && r.Exact {
			at.Side = Before
		}
		return at, true
	}
	at.LSN = &cut
	distance := func(d pg.LSN) *uint64 { return known(uint64(d)) }
	zero := uint64(0)
	switch {
	case r.LSN >= cut:
		at.Side, at.Bytes = Past, cmp.Or(distance(r.LSN-cut), &zero)
	case r.Exact:
		at.Side, at.Bytes = Before, distance(cut-r.LSN)
	case r.End != nil && *r.End <= cut:
		at.Side, at.Bytes = Before, cmp.Or(distance(cut-*r.End), &zero)
	}
	return at, true
}
