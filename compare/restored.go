package compare

import (
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// restores notices that the acked attempt in sight was lost and brought back by a
// salvage. What the stream showed of that on the survivor is the salvage's own
// transaction and none of the attempt's.
func (w *walk) restores() {
	s := &w.sight
	if !s.isAck() || s.marker != pg.Present || !w.restored[s.id] {
		return
	}
	s.restored = true
	s.commits = slices.DeleteFunc(s.commits, func(c txn.Commit) bool {
		survives, known := w.survives(pg.Position{Branch: c.Branch, LSN: c.LSN})
		return survives && known
	})
}

// original is what a look for the attempt's own marker would have shown: that of a
// restored one was absent.
func (s *sight) original() pg.Presence {
	if s.restored {
		return pg.Absent
	}
	return s.marker
}

// fate is what became of the attempt itself: a restored one was lost.
func (s *sight) fate() Fate { return FateOf(s.account, s.original()) }
