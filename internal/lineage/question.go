package lineage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Question is a position: the start of a record on a timeline.
type Question struct {
	Timeline pg.Timeline
	LSN      pg.LSN
}

// String is the form that [ParseQuestion] reads.
func (q Question) String() string { return fmt.Sprintf("%d/%s", q.Timeline, q.LSN) }

// ParseQuestion reads TIMELINE/LSN strictly, as in 1/0/3000060. The timeline is
// decimal: a leading zero would be the hexadecimal form of file names.
func ParseQuestion(s string) (Question, error) {
	number, at, _ := strings.Cut(s, "/")
	tl, err := strconv.ParseUint(number, 10, 32)
	if err != nil || number[0] == '0' && tl != 0 || !strings.Contains(at, "/") {
		return Question{}, fmt.Errorf("%q: want TIMELINE/LSN with a decimal timeline, as in 1/0/3000060", s)
	}
	lsn, err := pg.ParseLSN(at)
	switch {
	case err != nil:
		return Question{}, err
	case tl == 0:
		return Question{}, fmt.Errorf("%q: there is no timeline 0; the first is 1", s)
	case lsn == 0:
		return Question{}, fmt.Errorf("%q: there is no record at 0/0", s)
	}
	return Question{pg.Timeline(tl), lsn}, nil
}

// Verdict is whether a position is part of a node's history.
type Verdict string

// The verdicts. Unclear is what cannot be told.
const (
	Unclear Verdict = "unknown"
	In      Verdict = "yes"
	Out     Verdict = "no"
)

// Answer is what a node's history says of a position.
type Answer struct {
	Node    string
	Verdict Verdict
	// Fork is where the log that has the position and the node's own part; 0
	// unless the position is lost past it.
	Fork pg.LSN
	// Why says in words what the verdict rests on.
	Why string
}

// Known tells whether the timeline is in the history of any node. It is also true
// where a history that was not seen might have it.
func (p Picture) Known(tl pg.Timeline) bool {
	if len(p.variants(tl)) > 0 {
		return true
	}
	for _, n := range p.Nodes {
		if n.chain() == nil && !p.stranger(n) {
			return true
		}
	}
	return false
}

func (p Picture) stranger(n Node) bool { return n.System != 0 && n.System != p.System }

// Owner is the timeline that the record at the position was written on: its own,
// or an ancestor for a position from before that began. It is 0 if the timeline is
// not known, or is several with different owners.
func (p Picture) Owner(q Question) pg.Timeline {
	var owner pg.Timeline
	for _, v := range p.variants(q.Timeline) {
		chain := chainTo(v.led, q.Timeline)
		i := len(chain) - 1
		for i > 0 && q.LSN < begin(chain, i) {
			i--
		}
		if owner != 0 && owner != chain[i].Parent {
			return 0
		}
		owner = chain[i].Parent
	}
	return owner
}

// Where says for each node whether the position is in its history.
func (p Picture) Where(q Question) []Answer {
	variants := p.variants(q.Timeline)
	var all []Answer
	for _, n := range p.Nodes {
		answer := p.outright(n, q, len(variants))
		if answer.Verdict == "" {
			answer = p.among(n, q, variants)
		}
		answer.Node = n.Name
		all = append(all, answer)
	}
	return all
}

// among answers for one node where the timeline may be one of several. It is told
// only if it is the same for each.
func (p Picture) among(n Node, q Question, variants []variant) Answer {
	answer := p.in(n, q, variants[0])
	for _, v := range variants[1:] {
		switch other := p.in(n, q, v); {
		case other.Verdict != answer.Verdict:
			return Answer{Verdict: Unclear, Why: fmt.Sprintf("there are %d timelines %d here, and which is meant is not said", len(variants), q.Timeline)}
		case other != answer && answer.Verdict == Out:
			answer = Answer{Verdict: Out, Why: fmt.Sprintf("its log has that position of none of the %d timelines %d", len(variants), q.Timeline)}
		}
	}
	return answer
}

// outright answers for a node whose history need not be read, or was not. Its
// verdict is "" for all others.
func (p Picture) outright(n Node, q Question, variants int) Answer {
	switch {
	case n.Role == Unreachable:
		return Answer{Verdict: Unclear, Why: "it was not reached"}
	case p.stranger(n):
		return Answer{Verdict: Out, Why: "it is of another system"}
	case n.chain() == nil:
		return Answer{Verdict: Unclear, Why: "its history is not known"}
	case variants == 0:
		return Answer{Verdict: Unclear, Why: fmt.Sprintf("its history has no timeline %d, and where that began is not known", q.Timeline)}
	}
	return Answer{}
}

// in answers for one node and one of the timelines that may be meant.
func (p Picture) in(n Node, q Question, v variant) Answer {
	own, asked := n.chain(), chainTo(v.led, q.Timeline)
	fork, step, ok := parting(asked, own)
	if !ok {
		return Answer{Verdict: Unclear, Why: "its history begins with another timeline"}
	}
	common := own[step].Parent
	contested := p.contested[keyOf(n.System, own[:step], common)]
	switch {
	case q.LSN >= fork:
		return lost(q, common, fork)
	case n.reach() == 0:
		return Answer{Verdict: Unclear, Why: "the end of its log is not known"}
	case q.LSN >= n.reach():
		return Answer{Verdict: Out, Why: fmt.Sprintf("not there yet: its log ends at %s", n.reach())}
	case contested != "" && q.LSN >= begin(own, step):
		return Answer{Verdict: Unclear, Why: contested}
	}
	return Answer{Verdict: In}
}

// lost is the answer where the node and the log that has the position have parted
// before it, at a fork of the last timeline that they have in common.
func lost(q Question, common pg.Timeline, fork pg.LSN) Answer {
	why := fmt.Sprintf("lost: it left timeline %d at %s", common, fork)
	if common != q.Timeline {
		why = fmt.Sprintf("lost: timeline %d is of a branch that left timeline %d at %s", q.Timeline, common, fork)
	}
	return Answer{Verdict: Out, Fork: fork, Why: why}
}
