package lineage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/pg"
)

const why = "no recovery target specified"

// led makes a history of timeline and switchpoint in turn.
func led(steps ...uint64) pg.History {
	var h pg.History
	for i := 0; i < len(steps); i += 2 {
		h = append(h, pg.Step{Parent: pg.Timeline(steps[i]), End: pg.LSN(steps[i+1]), Reason: why})
	}
	return h
}

// primary is a node that writes a timeline, and has written it up to end.
func primary(name string, tl pg.Timeline, end pg.LSN, h pg.History) lineage.Node {
	return lineage.Node{
		Name: name, Role: lineage.Primary, Writes: true, System: 7, Timeline: tl, HasHistory: true, History: h,
		Insert: end, Flush: end, End: end, SegmentBytes: 16 << 20,
	}
}

func standby(name string, tl pg.Timeline, end pg.LSN, h pg.History) lineage.Node {
	n := primary(name, tl, end, h)
	n.Role, n.Writes, n.Insert, n.Flush, n.Receive, n.Replay = lineage.Standby, false, 0, 0, end, end
	return n
}

// but changes one thing of a node.
func but(n lineage.Node, change func(*lineage.Node)) lineage.Node {
	change(&n)
	return n
}

func blind(n *lineage.Node)    { n.HasHistory, n.History = false, nil }
func foreign(n *lineage.Node)  { n.System = 8 }
func nameless(n *lineage.Node) { n.System = 0 }
func started(n *lineage.Node)  { n.Start = 5 }
func endless(n *lineage.Node)  { n.End, n.Insert, n.Flush = 0, 0, 0 }

func bytes(n uint64) *uint64 { return &n }

func TestPairs(t *testing.T) {
	otherReason := pg.History{{Parent: 1, End: 100, Reason: "before transaction 9"}}
	for _, test := range []struct {
		name  string
		nodes []lineage.Node
		want  lineage.Pair
	}{
		{"a standby that lags", []lineage.Node{primary("a", 1, 500, nil), standby("b", 1, 400, nil)},
			lineage.Pair{Kin: lineage.Together, Timeline: 1, PastA: bytes(100), PastB: bytes(0)}},
		{"a standby that does not", []lineage.Node{standby("a", 1, 500, nil), primary("b", 1, 500, nil)},
			lineage.Pair{Kin: lineage.Together, Timeline: 1, PastA: bytes(0), PastB: bytes(0)}},
		{"an old primary that went on", []lineage.Node{primary("a", 1, 130, nil), primary("b", 2, 300, led(1, 100))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100, PastA: bytes(30), PastB: bytes(200)}},
		{"an old primary with nothing of its own", []lineage.Node{primary("a", 1, 100, nil), primary("b", 2, 300, led(1, 100))},
			lineage.Pair{Kin: lineage.Together, Timeline: 1, Fork: 100, PastA: bytes(0), PastB: bytes(200)}},
		{"a standby that has not come to the fork", []lineage.Node{primary("a", 2, 300, led(1, 100)), standby("b", 1, 60, nil)},
			lineage.Pair{Kin: lineage.Together, Timeline: 1, Fork: 100, PastA: bytes(240), PastB: bytes(0)}},
		{"two failovers, the first primary", []lineage.Node{primary("a", 1, 130, nil), primary("b", 3, 300, led(1, 100, 2, 200))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100, PastA: bytes(30), PastB: bytes(200)}},
		{"two failovers, the second primary", []lineage.Node{primary("a", 2, 230, led(1, 100)), primary("b", 3, 300, led(1, 100, 2, 200))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 2, Fork: 200, PastA: bytes(30), PastB: bytes(100)}},
		{"a later switchpoint that lies before an earlier one", []lineage.Node{primary("a", 1, 130, nil), primary("b", 3, 300, led(1, 100, 2, 80))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 80, PastA: bytes(50), PastB: bytes(220)}},
		{"twins that left at different positions", []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 2, 300, led(1, 120))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100, PastA: bytes(200), PastB: bytes(200)}},
		{"twins that left for different reasons", []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 2, 310, otherReason)},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100, PastA: bytes(200), PastB: bytes(210)}},
		{"siblings that left at one position", []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 3, 310, led(1, 100))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100, PastA: bytes(200), PastB: bytes(210)}},
		{"twins of one history", []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 2, 310, led(1, 100))},
			lineage.Pair{Kin: lineage.Untold, Timeline: 2, Fork: 100, Why: "a and b both write timeline 2 with the same history: where their logs part cannot be told"}},
		{"a standby of one of two twins", []lineage.Node{standby("a", 2, 290, led(1, 100)), primary("b", 2, 310, led(1, 100)), primary("c", 2, 320, led(1, 100))},
			lineage.Pair{Kin: lineage.Untold, Timeline: 2, Fork: 100, Why: "b and c both write timeline 2 with the same history: where their logs part cannot be told"}},
		{"a child of one of two twins", []lineage.Node{primary("a", 3, 400, led(1, 100, 2, 300)), primary("b", 2, 310, led(1, 100)), primary("c", 2, 320, led(1, 100))},
			lineage.Pair{Kin: lineage.Untold, Timeline: 2, Fork: 100, Why: "b and c both write timeline 2 with the same history: where their logs part cannot be told"}},
		{"the children of twins are one log", []lineage.Node{primary("a", 3, 400, led(1, 100, 2, 300)), standby("b", 3, 390, led(1, 100, 2, 300)), primary("c", 2, 310, led(1, 100)), primary("d", 2, 320, led(1, 100))},
			lineage.Pair{Kin: lineage.Together, Timeline: 3, PastA: bytes(10), PastB: bytes(0)}},
		{"a standby past its primary", []lineage.Node{primary("a", 1, 300, nil), standby("b", 1, 310, nil)},
			lineage.Pair{Kin: lineage.Untold, Timeline: 1, Why: "b follows timeline 1 to 0/136, and a, which writes it, ends at 0/12C: where their logs part cannot be told"}},
		{"one server at two addresses", []lineage.Node{but(primary("a", 1, 300, nil), started), but(primary("b", 1, 310, nil), started)},
			lineage.Pair{Kin: lineage.OneServer}},
		{"another system", []lineage.Node{primary("a", 1, 300, nil), but(primary("b", 1, 300, nil), foreign)},
			lineage.Pair{Kin: lineage.Strangers}},
		{"a system that was not told", []lineage.Node{primary("a", 1, 300, nil), but(standby("b", 1, 300, nil), nameless)},
			lineage.Pair{Kin: lineage.Untold, Why: "the system of one is not known"}},
		{"a history that was not read", []lineage.Node{primary("a", 2, 300, led(1, 100)), but(standby("b", 2, 300, nil), blind)},
			lineage.Pair{Kin: lineage.Untold, Why: "the history of one is not known"}},
		{"an end that is not known", []lineage.Node{but(primary("a", 1, 0, nil), endless), primary("b", 2, 300, led(1, 100))},
			lineage.Pair{Kin: lineage.Forked, Timeline: 1, Fork: 100}},
		{"histories without a timeline in common", []lineage.Node{primary("a", 3, 300, led(2, 100)), primary("b", 1, 300, nil)},
			lineage.Pair{Kin: lineage.Untold, Why: "their histories begin with different timelines, 2 and 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.A, test.want.B = "a", "b"
			got := lineage.Draw(test.nodes).Pairs[0]
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("a and b (-want +got):\n%s", d)
			}
		})
	}
}

func TestWhere(t *testing.T) {
	failover := []lineage.Node{primary("a", 1, 130, nil), primary("b", 2, 300, led(1, 100)), standby("c", 1, 60, nil)}
	twins := []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 2, 310, led(1, 120)), primary("c", 1, 200, nil)}
	alike := []lineage.Node{primary("a", 2, 300, led(1, 100)), primary("b", 2, 310, led(1, 100)), primary("c", 3, 400, led(1, 100, 2, 200))}
	unseen := []lineage.Node{primary("a", 2, 300, led(1, 100)), but(standby("b", 2, 300, nil), blind), but(primary("c", 1, 300, nil), foreign),
		{Name: "d", Role: lineage.Unreachable}}
	writing := []lineage.Node{but(primary("a", 1, 300, nil), func(n *lineage.Node) { n.Insert = 320 })}
	ended := []lineage.Node{but(primary("a", 2, 0, led(1, 100)), endless)}
	descending := []lineage.Node{primary("a", 1, 130, nil), primary("b", 3, 300, led(1, 100, 2, 80))}
	for _, test := range []struct {
		name  string
		nodes []lineage.Node
		tl    pg.Timeline
		at    pg.LSN
		want  string // an initial for each node: yes, no, lost, untold
		fork  pg.LSN // of the lost
	}{
		{"last byte before the fork", failover, 1, 99, "yyn", 0},
		{"before all ends", failover, 1, 50, "yyy", 0},
		{"at the end of a standby", failover, 1, 60, "yyn", 0},
		{"first byte past the fork", failover, 1, 100, "yln", 100},
		{"past the end of the old primary", failover, 1, 130, "nln", 100},
		{"on the new timeline", failover, 2, 100, "lyl", 100},
		{"on the new timeline, from before it began", failover, 2, 99, "yyn", 0},
		{"past every end of the new timeline", failover, 2, 300, "lnl", 100},
		{"a switchpoint before an earlier one", descending, 1, 90, "yl", 80},
		{"twins, below both forks", twins, 2, 99, "yyy", 0},
		{"twins, between their forks", twins, 2, 110, "uuu", 0},
		{"twins, past both forks", twins, 2, 130, "uun", 0},
		{"twins, past both ends", twins, 2, 400, "nnn", 0},
		{"their parent, between their forks", twins, 1, 110, "lyy", 100},
		{"twins of one history, before it", alike, 2, 99, "yyy", 0},
		{"twins of one history, on it", alike, 2, 150, "uuu", 0},
		{"twins of one history, past where a child left", alike, 2, 250, "uul", 200},
		{"twins of one history, past the end of one", alike, 2, 305, "nul", 200},
		{"what was not seen", unseen, 2, 150, "yunu", 0},
		{"a timeline that only the unseen may know", unseen, 3, 150, "uunu", 0},
		{"written, and not yet on disk", writing, 1, 310, "y", 0},
		{"not yet written", writing, 1, 320, "n", 0},
		{"an end that is not known, past it", ended, 2, 150, "n", 0},
		{"an end that is not known, before the last fork", ended, 1, 99, "y", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, a := range lineage.Draw(test.nodes).Where(lineage.Question{Timeline: test.tl, LSN: test.at}) {
				word := map[lineage.Verdict]string{lineage.In: "y", lineage.Out: "n", lineage.Unclear: "u"}[a.Verdict]
				if a.Fork != 0 {
					word = "l"
					if a.Fork != test.fork || a.Verdict != lineage.Out {
						t.Errorf("%+v, want lost past %s", a, test.fork)
					}
				}
				got += word
				if a.Why == "" && word != "y" {
					t.Errorf("%+v does not say why", a)
				}
			}
			if got != test.want {
				t.Errorf("%d/%s: %s, want %s", test.tl, test.at, got, test.want)
			}
		})
	}
}

func TestOwner(t *testing.T) {
	nodes := []lineage.Node{primary("a", 3, 300, led(1, 100, 2, 200)), primary("b", 2, 300, led(1, 120))}
	for _, test := range []struct {
		tl   pg.Timeline
		at   pg.LSN
		want pg.Timeline
	}{{3, 200, 3}, {3, 199, 2}, {3, 99, 1}, {1, 500, 1}, {2, 99, 1}, {2, 110, 0}, {2, 120, 2}, {9, 1, 0}} {
		if got := lineage.Draw(nodes).Owner(lineage.Question{Timeline: test.tl, LSN: test.at}); got != test.want {
			t.Errorf("%d/%s was written on %d, want %d", test.tl, test.at, got, test.want)
		}
	}
}

func TestPicture(t *testing.T) {
	p := lineage.Draw([]lineage.Node{
		{Name: "gone", Role: lineage.Unreachable, Unseen: []string{"refused"}},
		primary("a", 2, 300, led(1, 100)), standby("b", 2, 290, led(1, 100)), primary("twin", 2, 300, led(1, 120)),
		primary("old", 1, 300, nil), but(primary("other", 1, 300, nil), foreign), but(standby("blind", 2, 300, nil), blind),
	})
	want := lineage.Picture{
		System: 7, Strangers: []string{"other"},
		Groups: []lineage.Group{
			{System: 7, Timeline: 2, History: led(1, 100), Nodes: []string{"a", "b"}},
			{System: 7, Timeline: 2, History: led(1, 120), Nodes: []string{"twin"}},
			{System: 7, Timeline: 1, Nodes: []string{"old"}},
			{System: 8, Timeline: 1, Nodes: []string{"other"}},
		},
		Twins: []lineage.Twins{{Timeline: 2, Of: [][]string{{"a", "b"}, {"twin"}}}},
	}
	if d := cmp.Diff(want, p, cmpopts.IgnoreFields(lineage.Picture{}, "Nodes", "Pairs"), cmpopts.IgnoreUnexported(lineage.Picture{})); d != "" {
		t.Errorf("picture (-want +got):\n%s", d)
	}
	if len(p.Pairs) != 15 {
		t.Errorf("%d pairs of six nodes", len(p.Pairs))
	}
	if d := cmp.Diff([]string{"gone: refused"}, p.Untold()); d != "" {
		t.Errorf("untold (-want +got):\n%s", d)
	}
	// The history that was not seen may have any timeline.
	if !p.Known(9) || !p.Known(2) {
		t.Error("a timeline is called unknown")
	}
	all := lineage.Draw([]lineage.Node{primary("a", 3, 300, led(1, 100)), but(standby("other", 9, 1, nil), foreign)})
	if all.Known(2) || all.Known(9) || !all.Known(1) || !all.Known(3) {
		t.Error("it is wrong which timelines are known")
	}
	contested := lineage.Draw([]lineage.Node{primary("a", 1, 300, nil), primary("b", 1, 300, nil)})
	if len(contested.Untold()) != 1 || contested.Groups[0].Contested != contested.Untold()[0] {
		t.Errorf("two that write one timeline: %v, %+v", contested.Untold(), contested.Groups)
	}
}
