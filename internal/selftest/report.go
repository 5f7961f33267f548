package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pgrpo/pgrpo/compare"
)

// Report is what came of a selftest.
type Report struct {
	Seed   uint64    `json:"seed,string"`
	Rounds int       `json:"rounds"`
	Plots  int       `json:"plots"`
	Runs   []RunLine `json:"runs"`
	// Classes has a line for each class of findings, Faults one for each kind
	// of fault, Verdicts how often each had to come out.
	Classes   []ClassLine   `json:"classes"`
	Faults    []FaultLine   `json:"faults"`
	Verdicts  []VerdictLine `json:"verdicts"`
	Exercised []Item        `json:"exercised"`
	// Wrong are the plots that were not judged as they had to be; empty if the
	// judge passed.
	Wrong []Wrong `json:"wrong"`

	byClass   [compare.Classes]ClassLine
	byVerdict [compare.Breached + 1]int
}

// RunLine is a run that was planted in, with its own verdict.
type RunLine struct {
	Name     string `json:"run"`
	Scenario string `json:"scenario"`
	Attempts int64  `json:"attempts"`
	Verdict  string `json:"verdict"`
}

// ClassLine counts the findings of a class: those that the runs held themselves,
// and over all plots those planted, those of them found, and what was missed and
// added of all.
type ClassLine struct {
	Class   string `json:"class"`
	InRuns  int64  `json:"in_runs"`
	Planted int    `json:"planted"`
	Found   int    `json:"found"`
	Missed  int    `json:"missed"`
	Extra   int    `json:"extra"`
}

func (l *ClassLine) add(planted, found, missed, extra int) {
	l.Planted, l.Found = l.Planted+planted, l.Found+found
	l.Missed, l.Extra = l.Missed+missed, l.Extra+extra
}

// FaultLine counts how often a kind of fault was planted.
type FaultLine struct {
	Fault string `json:"fault"`
	Times int    `json:"times"`
}

// VerdictLine counts the plots that had to have a verdict.
type VerdictLine struct {
	Verdict string `json:"verdict"`
	Plots   int    `json:"plots"`
}

// Passed tells whether every plot was judged as it had to be.
func (r *Report) Passed() bool { return len(r.Wrong) == 0 }

// JSON writes the report for machines.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// mostShown is how many wrong plots, and wrongs of one, the text shows.
const mostShown = 10

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	for _, run := range r.Runs {
		fmt.Fprintf(&b, "Run %s, %s: %d attempts, %s as it is\n", run.Name, run.Scenario, run.Attempts, run.Verdict)
	}
	fmt.Fprintf(&b, "%d rounds from seed %d, each fault alone in its turn and in mixtures: %d judgements\n\n", r.Rounds, r.Seed, r.Plots)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "class\tin the runs\tplanted\tfound\tmissed\textra\t")
	var all ClassLine
	for _, l := range r.Classes {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", l.Class, l.InRuns, l.Planted, l.Found, l.Missed, l.Extra)
		all.InRuns += l.InRuns
		all.add(l.Planted, l.Found, l.Missed, l.Extra)
	}
	fmt.Fprintf(t, "all\t%d\t%d\t%d\t%d\t%d\t\n", all.InRuns, all.Planted, all.Found, all.Missed, all.Extra)
	_ = t.Flush()
	b.WriteString("\nVerdicts that had to come out:")
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, " %s %d", v.Verdict, v.Plots)
	}
	b.WriteString("\n\n")
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "the runs themselves had\t")
	for _, run := range r.Runs {
		fmt.Fprintf(t, "%s\t", run.Scenario)
	}
	for _, i := range r.Exercised {
		fmt.Fprintf(t, "\n%s\t", i.Name)
		for _, n := range i.Counts {
			fmt.Fprintf(t, "%d\t", n)
		}
	}
	fmt.Fprintln(t)
	_ = t.Flush()
	r.unproven(&b)
	r.wrongs(&b)
	return b.String()
}

// unproven says of what nothing was proved.
func (r *Report) unproven(b *strings.Builder) {
	list := func(what string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(b, "\n%s: nothing was proved about\n  %s\n", what, strings.Join(names, "\n  "))
		}
	}
	var absent, unplanted, classes []string
	for _, i := range r.Exercised {
		if i.total() == 0 {
			absent = append(absent, i.Name)
		}
	}
	for _, l := range r.Classes {
		if l.Planted == 0 && l.InRuns == 0 {
			classes = append(classes, l.Class)
		}
	}
	for _, f := range r.Faults {
		if f.Times == 0 {
			unplanted = append(unplanted, f.Fault)
		}
	}
	list("Did not occur in any run", absent)
	list("Classes that were neither in the runs nor planted in these rounds", classes)
	list("Faults never planted in these rounds", unplanted)
}

// wrongs says what was judged wrong.
func (r *Report) wrongs(b *strings.Builder) {
	if r.Passed() {
		b.WriteString("\nPASSED: all that was planted was found, and nothing else\n")
		return
	}
	for i, wrong := range r.Wrong {
		if i == mostShown {
			fmt.Fprintf(b, "\nand %d judgements more\n", len(r.Wrong)-i)
			break
		}
		fmt.Fprintf(b, "\nRound %d, run %s, planted: %s\n", wrong.Round, wrong.Run, strings.Join(wrong.Planted, "; "))
		for i, what := range wrong.What {
			if i == mostShown {
				fmt.Fprintf(b, "  and %d more\n", len(wrong.What)-i)
				break
			}
			fmt.Fprintf(b, "  %s\n", what)
		}
	}
	fmt.Fprintf(b, "\nFAILED: %d of %d judgements were wrong\n", len(r.Wrong), r.Plots)
}
