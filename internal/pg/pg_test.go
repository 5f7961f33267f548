package pg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseLSN(t *testing.T) {
	for _, bad := range []string{"", "/", "0/", "/0", "0/16B3748junk", "0/FFFFFFFFF", "0-1", "0x1/2", "+1/2", " 0/1", "0/1/2"} {
		if got, err := ParseLSN(bad); err == nil {
			t.Errorf("ParseLSN(%q) = %v, want an error", bad, got)
		}
	}
	for in, want := range map[string]LSN{"0/0": 0, "0/16B3748": 0x16B3748, "A/0000001F": 10<<32 | 31, "ffffffff/ffffffff": 1<<64 - 1} {
		got, err := ParseLSN(in)
		if err != nil || got != want {
			t.Errorf("ParseLSN(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		l := LSN(rapid.Uint64().Draw(t, "lsn"))
		got, err := ParseLSN(l.String())
		if err != nil || got != l {
			t.Fatalf("ParseLSN(%q) = %v, %v", l.String(), got, err)
		}
	})
}

func TestParseHistory(t *testing.T) {
	text := "1\t0/30040C8\tno recovery target specified\n\n# a comment\n2\t0/5000000\tbefore 2026-11-20 17:02:01+00\n"
	got, err := ParseHistory(text)
	if err != nil {
		t.Fatal(err)
	}
	want := History{{1, 0x30040C8, "no recovery target specified"}, {2, 0x5000000, "before 2026-11-20 17:02:01+00"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	again, err := ParseHistory(got.Text())
	if err != nil || cmp.Diff(want, again) != "" {
		t.Errorf("round trip: %v, %v", again, err)
	}
	for _, bad := range []string{"x\t0/1\tr", "1\tzz\tr", "2\t0/1\tr\n1\t0/2\tr"} {
		if _, err := ParseHistory(bad); err == nil {
			t.Errorf("ParseHistory(%q) passed", bad)
		}
	}
}

func TestSegmentName(t *testing.T) {
	const mib = 1 << 20
	if got := SegmentName(2, 0x1_1600_0028, 16*mib); got != "000000020000000100000016" {
		t.Error(got)
	}
	if got := SegmentName(1, 0x30040C8, 64*mib); got != "000000010000000000000000" {
		t.Error(got)
	}
}

var (
	atOne   = History(nil)
	fork100 = History{{1, 100, "no recovery target specified"}}
)

func contact(at int64, tl Timeline, start ProcessStart, insert LSN, h History) Contact {
	return Contact{At: at, System: 7, Timeline: tl, Start: start, Insert: insert, HasHistory: true, History: h}
}

func looked(c Contact, floor LSN, p Presence) Contact {
	c.Floor, c.Marker = floor, p
	return c
}

func by(observer int32, c Contact) Contact {
	c.Observer = observer
	return c
}

func TestTrace(t *testing.T) {
	for _, tc := range []struct {
		name     string
		contacts []Contact
		want     []BranchID
	}{
		{"one server", []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 60, atOne), 55, Present)}, []BranchID{1, 1}},
		{"restart that kept all", []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 90, atOne), 80, Present)}, []BranchID{1, 1}},
		{"restart that lost the last ack", []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 90, atOne), 80, Absent)}, []BranchID{1, 2}},
		{"restart that ends early, marker not looked for", []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 70, atOne), 80, NotLooked)}, []BranchID{1, 2}},
		{"crash of all backends in one process", []Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 90, atOne), 80, Absent)}, []BranchID{1, 2}},
		{"promotion", []Contact{contact(1, 1, 10, 50, atOne), contact(2, 2, 20, 110, fork100)}, []BranchID{1, 2}},
		{
			"two standbys, same number and text",
			[]Contact{
				contact(1, 1, 10, 50, atOne), contact(2, 2, 20, 110, fork100),
				looked(contact(3, 2, 20, 150, fork100), 140, Present),
				looked(contact(4, 2, 30, 160, fork100), 140, Absent),
			},
			[]BranchID{1, 2, 2, 3},
		},
		{
			"an observer with nothing to look for follows the one that looked",
			[]Contact{
				contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 60, atOne), 55, Present),
				{Observer: 5, At: 3, System: 7, Timeline: 1, Start: 11, Insert: 90},
				looked(contact(4, 1, 11, 95, atOne), 80, Present),
			},
			[]BranchID{1, 1, 1, 1},
		},
		{
			"a restarted process joins its own branch, not one opened since",
			[]Contact{
				contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 90, atOne), 80, Present),
				looked(contact(3, 1, 99, 70, atOne), 80, Absent),
				looked(contact(4, 1, 11, 95, atOne), 85, Present),
			},
			[]BranchID{1, 1, 2, 1},
		},
		{
			"another observer saw more of the log before, and misses it",
			[]Contact{
				contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 90, atOne), 60, Present),
				{Observer: 5, At: 3, System: 7, Timeline: 1, Start: 11, Insert: 91, Floor: 80, Marker: Absent},
				contact(4, 1, 11, 95, atOne),
			},
			[]BranchID{1, 2, 2, 2},
		},
		{
			"a later crash of the process is no fault of its start",
			[]Contact{
				contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 11, 90, atOne), 60, Present),
				contact(3, 1, 11, 91, atOne), looked(contact(4, 1, 11, 95, atOne), 99, Absent),
			},
			[]BranchID{1, 1, 1, 2},
		},
		{
			"a later crash, and nothing to look for at first",
			[]Contact{
				{Observer: 5, At: 1, System: 7, Timeline: 1, Start: 10, Insert: 50}, {At: 2, System: 7, Timeline: 1, Start: 11, Insert: 90},
				{Observer: 5, At: 3, System: 7, Timeline: 1, Start: 11, Insert: 91, Floor: 80, Marker: Present},
				{Observer: 5, At: 4, System: 7, Timeline: 1, Start: 11, Insert: 85, Floor: 92, Marker: Absent},
			},
			[]BranchID{1, 1, 1, 2},
		},
		{"a server that did not say who it is", []Contact{contact(1, 1, 10, 50, atOne), contact(2, 0, 10, 60, nil), contact(3, 1, 0, 60, nil)}, []BranchID{1, 0, 0}},
		{
			"a clean restart, and the judge that looks for what the new process acked",
			[]Contact{
				contact(1, 1, 10, 50, atOne), {Observer: 5, At: 2, System: 7, Timeline: 1, Start: 11, Insert: 60},
				by(-2, looked(contact(3, 1, 11, 200, atOne), 150, Present)),
			},
			[]BranchID{1, 1, 1},
		},
		{
			"who did not look at first may still be the first that looks",
			[]Contact{
				contact(1, 1, 10, 50, atOne), {Observer: 3, At: 2, System: 7, Timeline: 1, Start: 11, Insert: 90},
				by(3, looked(contact(3, 1, 11, 95, atOne), 80, Absent)),
			},
			[]BranchID{1, 2, 2},
		},
		{
			"back to the broken process is the later branch",
			[]Contact{contact(1, 1, 10, 50, atOne), looked(contact(2, 1, 10, 90, atOne), 80, Absent), contact(3, 1, 10, 95, atOne)},
			[]BranchID{1, 2, 2},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, got := Trace(nil, tc.contacts)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCut(t *testing.T) {
	two := History{{1, 100, "r"}}
	three := History{{1, 100, "r"}, {2, 200, "r"}}
	odd := History{{1, 100, "r"}, {2, 90, "r"}}
	zombie := History{{1, 120, "r"}}
	bs, _ := Trace(nil, []Contact{
		contact(1, 1, 10, 50, nil), contact(2, 2, 20, 110, two), contact(3, 3, 30, 210, three),
		contact(4, 5, 40, 210, odd), contact(5, 2, 50, 130, zombie),
	})
	for _, tc := range []struct {
		of, on BranchID
		lsn    LSN
		rel    Relation
	}{
		{1, 1, 0, Same},
		{1, 2, 100, Ancestor},
		{2, 3, 200, Ancestor},
		{1, 3, 100, Ancestor},
		{1, 4, 90, Ancestor},
		{5, 3, 0, Stranger},
		{2, 1, 0, Stranger},
		{9, 1, 0, Unknown},
		{0, 0, 0, Unknown},
	} {
		if lsn, rel := bs.Cut(tc.of, tc.on); lsn != tc.lsn || rel != tc.rel {
			t.Errorf("Cut(%d, %d) = %v, %v, want %v, %v", tc.of, tc.on, lsn, rel, tc.lsn, tc.rel)
		}
	}
	for _, tc := range []struct {
		p               Position
		on              BranchID
		survives, known bool
	}{
		{Position{1, 99}, 2, true, true},
		{Position{1, 100}, 2, false, true},
		{Position{5, 99}, 3, true, true},
		{Position{5, 110}, 3, false, true},
		{Position{2, 99}, 1, true, true},
		{Position{2, 100}, 1, false, true},
		{Position{9, 1}, 1, false, false},
	} {
		if s, k := bs.Survives(tc.p, tc.on); s != tc.survives || k != tc.known {
			t.Errorf("Survives(%v, %d) = %v, %v", tc.p, tc.on, s, k)
		}
	}
	if got := bs.Owner(Position{3, 99}); got != 1 {
		t.Errorf("Owner below both forks = %d, want 1", got)
	}
	if got := bs.Owner(Position{3, 150}); got != 2 {
		t.Errorf("Owner between the forks = %d, want 2", got)
	}
	if got := bs.Owner(Position{3, 200}); got != 3 {
		t.Errorf("Owner at the fork = %d, want 3", got)
	}
}

// A branch that nobody saw lies between: the least switchpoint counts.
func TestCutOverUnseenBranch(t *testing.T) {
	bs, _ := Trace(nil, []Contact{contact(1, 1, 10, 50, nil), contact(2, 3, 30, 210, History{{1, 100, "r"}, {2, 90, "r"}})})
	if lsn, rel := bs.Cut(1, 2); lsn != 90 || rel != Ancestor {
		t.Errorf("Cut = %v, %v", lsn, rel)
	}
}

// Nothing is concluded across a broken continuity or an ambiguous parent.
func TestUnknownAcrossBreak(t *testing.T) {
	bs, ids := Trace(nil, []Contact{
		contact(1, 1, 10, 50, nil),
		looked(contact(2, 1, 11, 60, nil), 80, Absent),
		contact(3, 2, 20, 110, fork100),
	})
	if d := cmp.Diff([]BranchID{1, 2, 3}, ids); d != "" {
		t.Fatal(d)
	}
	for _, pair := range [][2]BranchID{{1, 2}, {2, 1}, {1, 3}, {2, 3}} {
		if _, rel := bs.Cut(pair[0], pair[1]); rel != Unknown {
			t.Errorf("Cut(%d, %d) = %v, want unknown", pair[0], pair[1], rel)
		}
	}
}

func TestNoHistoryIsUnknown(t *testing.T) {
	bs, _ := Trace(nil, []Contact{contact(1, 1, 10, 50, nil), {At: 2, System: 7, Timeline: 2, Start: 20, Insert: 110}})
	if _, rel := bs.Cut(1, 2); rel != Unknown {
		t.Errorf("Cut = %v, want unknown", rel)
	}
	bs, ids := Trace(bs, []Contact{contact(3, 2, 20, 130, fork100)})
	if lsn, rel := bs.Cut(1, 2); ids[0] != 2 || lsn != 100 || rel != Ancestor {
		t.Errorf("after the history was read: branch %d, %v, %v", ids[0], lsn, rel)
	}
}
