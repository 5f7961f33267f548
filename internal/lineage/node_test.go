package lineage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// The file of an end is that of the last byte before it, as pg_walfile_name has
// it; a timeline that has no byte yet names the file of its first.
func TestSegment(t *testing.T) {
	const segment = 16 << 20
	for _, test := range []struct {
		tl   pg.Timeline
		end  pg.LSN
		h    pg.History
		want string
	}{
		{1, 3*segment + 1, nil, "000000010000000000000003"},
		{1, 3 * segment, nil, "000000010000000000000002"},
		{2, 3*segment + 8, led(1, 3*segment), "000000020000000000000003"},
		{2, 3 * segment, led(1, 3*segment), "000000020000000000000003"},
		{1, 1<<32 + 1, nil, "000000010000000100000000"},
		{1, 0, nil, ""},
		{0, 5, nil, ""},
	} {
		if got := primary("a", test.tl, test.end, test.h).Segment(); got != test.want {
			t.Errorf("file of %d/%s: %s, want %s", test.tl, test.end, got, test.want)
		}
	}
}

// A fork has two files: the last of the parent, and the first of the child, which
// begins with a copy of what is shared unless the fork is at its very begin.
func TestForks(t *testing.T) {
	const segment = 16 << 20
	n := primary("a", 11, 9*segment, pg.History{
		{Parent: 1, End: 3*segment + 100, Reason: why},
		{Parent: 2, End: 5 * segment, Reason: "before 2026-11-20 17:02:01.5+01"},
	})
	want := []lineage.Fork{
		{Parent: 1, Timeline: 2, At: 3*segment + 100, Reason: why, Last: "000000010000000000000003", First: "000000020000000000000003"},
		{Parent: 2, Timeline: 11, At: 5 * segment, Reason: "before 2026-11-20 17:02:01.5+01", Time: time.Date(2026, 11, 20, 16, 2, 1, 5e8, time.UTC),
			Last: "000000020000000000000004", First: "0000000B0000000000000005"},
	}
	if d := cmp.Diff(want, n.Forks()); d != "" {
		t.Errorf("forks (-want +got):\n%s", d)
	}
	if got := but(n, func(n *lineage.Node) { n.SegmentBytes = 0 }).Forks(); got[0].Last != "" || got[0].First != "" {
		t.Errorf("files of an unknown size: %+v", got)
	}
}

func TestReasonWithTime(t *testing.T) {
	for reason, want := range map[string]bool{
		why: false, "after transaction 741": false, "before LSN 0/3000060": false, `at restore point "before 2026-11-20"`: false, "": false,
		"before 2026-11-20 17:02:01+00": true, "after 2026-11-20 17:02:01.123456+05:30": true, "reached consistency": false,
	} {
		n := primary("a", 2, 300, pg.History{{Parent: 1, End: 100, Reason: reason}})
		if got := !n.Forks()[0].Time.IsZero(); got != want {
			t.Errorf("%q has a time: %t, want %t", reason, got, want)
		}
	}
}

func TestParseQuestion(t *testing.T) {
	for _, s := range []string{"1/0/3000060", "4294967295/FFFFFFFF/FFFFFFFF", "12/0/1"} {
		if q, err := lineage.ParseQuestion(s); err != nil || q.String() != s {
			t.Errorf("%q is read as %s, %v", s, q, err)
		}
	}
	for _, s := range []string{
		"", "1", "0/3000060", "/0/3000060", "0/0/3000060", "00/0/3", "01/0/3000060", "+1/0/3", "-1/0/3", " 1/0/3", "1/0/3000060 ", "1/0/3000060/",
		"1/0/", "1//1", "1/0x0/1", "1/0/123456789", "4294967296/0/1", "A/0/1", "1/0/0", "1/g/1",
	} {
		if q, err := lineage.ParseQuestion(s); err == nil {
			t.Errorf("%q is read as %s", s, q)
		}
	}
}
