package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

// The end of a dead server's WAL is that of the timeline of its checkpoint, or is
// looked for on what followed, and not on branches that were left out before it.
func TestBranchesOfADeadServer(t *testing.T) {
	step := func(tl pg.Timeline, end pg.LSN) pg.Step { return pg.Step{Parent: tl, End: end} }
	d := statefile.Directory{
		Control: &statefile.Control{Timeline: 2, Checkpoint: 150},
		Timelines: []statefile.Timeline{
			{Timeline: 2, History: pg.History{step(1, 100)}},
			{Timeline: 3, History: pg.History{step(1, 100), step(2, 200)}},
			{Timeline: 4, History: pg.History{step(1, 100), step(2, 200), step(3, 300)}},
			{Timeline: 5, History: pg.History{step(1, 100), step(2, 140)}},
			{Timeline: 6, History: pg.History{step(1, 100)}},
		},
	}
	want := []ending{
		{timeline: 4, known: true, history: d.Timelines[2].History, from: 300},
		{timeline: 3, known: true, history: d.Timelines[1].History, from: 200},
		{timeline: 2, known: true, history: d.Timelines[0].History, from: 150},
	}
	if diff := cmp.Diff(want, branchesOf(d), cmp.AllowUnexported(ending{})); diff != "" {
		t.Errorf("where the log may end (-want +got):\n%s", diff)
	}
	d.Timelines = nil
	if got := branchesOf(d); len(got) != 1 || got[0].known || got[0].timeline != 2 {
		t.Errorf("without files of histories: %+v", got)
	}
}

// A directory without WAL has a system and a timeline, and no known end; without a
// whole pg_control there is nothing to tell.
func TestTimelineOfDamagedFiles(t *testing.T) {
	dir := recordedSlots(t)
	got := seen(t, exitInconclusive, "--data-dir="+dir)
	if n := got.Nodes[0]; n.Role != "down" || n.End != nil || n.System == nil || !strings.Contains(strings.Join(n.Unseen, " "), "the end of its WAL") {
		t.Errorf("without WAL: %+v", n)
	}
	control := filepath.Join(dir, "global", "pg_control")
	content, err := os.ReadFile(control)
	must(t, err)
	content[100]++
	must(t, os.WriteFile(control, content, 0o600))
	for _, args := range [][]string{{"--data-dir=" + dir}, {"--data-dir=" + dir + "/pg_replslot"}, {"--data-dir=" + dir + "/none"}} {
		r := pgrpo(t, append([]string{"timeline"}, args...)...)
		if r.status != exitRefused || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v: status %d", args, r.status)
		}
	}
}
