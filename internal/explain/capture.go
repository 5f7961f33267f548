package explain

import (
	"fmt"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// uncaptured says why the stream did not show the attempt.
func (f Facts) uncaptured() string {
	c := f.Capture
	start, _ := f.Branches.Of(c.Start.Branch)
	followed, _ := f.Branches.Of(c.Followed.Branch)
	switch {
	case f.Account == compare.Failed:
		return "it was rolled back, and the stream shows commits alone"
	case !c.Heard:
		return because("the run did not capture the stream", c.Why)
	case f.Branch != 0 && f.Branch == c.Start.Branch && f.Max != 0 && f.Max <= c.Start.LSN:
		return fmt.Sprintf("it was committed before capture began at %s on timeline %d", c.Start.LSN, start.Timeline)
	}
	for _, g := range c.Gaps {
		if f.mayLieIn(g.Branch, g.From, g.To) {
			b, _ := f.Branches.Of(g.Branch)
			return fmt.Sprintf("capture has a gap from %s to %s on timeline %d, which it may lie in: %s", g.From, g.To, b.Timeline, g.Reason)
		}
	}
	switch {
	case f.Branch != 0 && f.Branch == c.Followed.Branch && f.Min >= c.Followed.LSN:
		return fmt.Sprintf("capture followed the stream to %s on timeline %d only", c.Followed.LSN, followed.Timeline)
	case f.Account == compare.InDoubt && f.absent():
		return "it was not committed on the survivor, and the stream of the old server did not show it either"
	case !c.Complete:
		return "the stream was not followed to its end"
	case f.Branch != 0 && f.Branch != c.Followed.Branch:
		return fmt.Sprintf("capture had gone on to timeline %d, and did not see the end of the timeline that it was acknowledged on", followed.Timeline)
	default:
		return "nothing explains it: it lies in no recorded gap"
	}
}

// mayLieIn tells whether the commit record can lie in a stretch of a branch, read
// along the whole line of WAL that leads to it. One of which nothing is known may
// lie anywhere.
func (f Facts) mayLieIn(on pg.BranchID, from, to pg.LSN) bool {
	if f.Branch == 0 {
		return true
	}
	inLine, told := f.Branches.Survives(pg.Position{Branch: f.Branch, LSN: f.Min}, on)
	return told && inLine && f.Min < to && (f.Max == 0 || f.Max > from)
}

// absent tells whether the survivor was asked and lacks the attempt.
func (f Facts) absent() bool {
	n, asked := f.onSurvivor()
	return asked && n.Marker == pg.Absent
}

// onSurvivor is what asking the survivor showed.
func (f Facts) onSurvivor() (Node, bool) {
	for _, n := range f.Nodes {
		if n.Survivor && n.Marker != pg.NotLooked {
			return n, true
		}
	}
	return Node{}, false
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
