package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// text prints the picture for people: the nodes, their histories, who is on one log,
// how far apart they are, and what could not be seen.
func (s *sight) text(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	s.nodesText(w)
	s.forksText(w)
	s.kinText(w)
	s.answersText(w)
	for i, line := range s.Untold() {
		if i == 0 {
			fmt.Fprint(w, "\nnot told\n")
		}
		fmt.Fprintf(w, "  %s\n", line)
	}
	return w.Flush()
}

func (s *sight) nodesText(w io.Writer) {
	fmt.Fprintln(w, "node\trole\tsystem\ttimeline\tinsert\tflush\treceive\treplay\tend\tfile\tversion\tstarted")
	for _, n := range s.Nodes {
		role := string(n.Role)
		if n.State != "" {
			role += " (" + n.State + ")"
		}
		version, _, _ := strings.Cut(n.Version, " ") // without the packager's words
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, role, known(n.System), known(n.Timeline),
			known(n.Insert), known(n.Flush), known(n.Receive), known(n.Replay), known(n.End), known(n.Segment()), known(version), known(started(n)))
	}
}

// known is a value as text, "-" for the zero that stands for an unknown one.
func known[T comparable](v T) string {
	var zero T
	if v == zero {
		return "-"
	}
	return fmt.Sprint(v)
}

// started is when the node's server was started, "" if that is not known.
func started(n lineage.Node) string {
	if n.Start == 0 {
		return ""
	}
	return time.UnixMicro(int64(n.Start)).UTC().Format(time.RFC3339Nano)
}

// forksText prints every fork once, with the nodes that have it in their history.
func (s *sight) forksText(w io.Writer) {
	type step struct {
		system pg.SystemID
		lineage.Fork
	}
	var order []step
	of := map[step][]string{}
	for _, n := range s.Nodes {
		for _, f := range n.Forks() {
			key := step{n.System, f}
			if of[key] == nil {
				order = append(order, key)
			}
			of[key] = append(of[key], n.Name)
		}
	}
	if len(order) > 0 {
		fmt.Fprint(w, "\nfork\tat\tshared to\tgoes on in\treason\tnodes\n")
	}
	for _, f := range order {
		reason := f.Reason
		if !f.Time.IsZero() {
			reason += " (" + f.Time.Format(time.RFC3339Nano) + ")"
		}
		fmt.Fprintf(w, "%d to %d\t%s\t%s\t%s\t%s\t%s\n", f.Parent, f.Timeline, f.At, known(f.Last), known(f.First), known(reason), strings.Join(of[f], ", "))
	}
}

func (s *sight) kinText(w io.Writer) {
	if len(s.Groups) > 0 {
		fmt.Fprintln(w, "\nhistories")
	}
	for _, g := range s.Groups {
		led := ""
		for _, step := range g.History {
			led += fmt.Sprintf("%d, left at %s; ", step.Parent, step.End)
		}
		fmt.Fprintf(w, "  %s%d: %s\n", led, g.Timeline, strings.Join(g.Nodes, ", "))
	}
	for _, t := range s.Twins {
		var of []string
		for _, nodes := range t.Of {
			of = append(of, strings.Join(nodes, ", "))
		}
		fmt.Fprintf(w, "  there are %d timelines %d: that of %s\n", len(t.Of), t.Timeline, strings.Join(of, "; that of "))
	}
	for _, name := range s.Strangers {
		fmt.Fprintf(w, "  %s is of another system than %s\n", name, s.System)
	}
	if len(s.Pairs) > 0 {
		fmt.Fprintln(w, "\ndistances")
	}
	for _, p := range s.Pairs {
		fmt.Fprintf(w, "  %s\n", sentence(p))
	}
}

// sentence says how two nodes stand to each other.
func sentence(p lineage.Pair) string {
	both := p.A + " and " + p.B
	behind := func(a, b string, bytes uint64) string {
		line := fmt.Sprintf("%s is %d bytes behind %s", a, bytes, b)
		if p.Fork != 0 {
			return line + fmt.Sprintf("; their histories are one below %s of timeline %d", p.Fork, p.Timeline)
		}
		return line + fmt.Sprintf(" on timeline %d", p.Timeline)
	}
	switch {
	case p.Kin == lineage.OneServer:
		return both + " are one server"
	case p.Kin == lineage.Strangers:
		return both + " are of different systems"
	case p.Kin == lineage.Untold && p.Fork != 0:
		return fmt.Sprintf("%s are on one log below %s; past it cannot be told: %s", both, p.Fork, p.Why)
	case p.Kin == lineage.Untold:
		return fmt.Sprintf("%s: cannot be told: %s", both, p.Why)
	case p.PastA == nil && p.Kin == lineage.Forked:
		return fmt.Sprintf("%s forked at %s of timeline %d; how far each went on cannot be told", both, p.Fork, p.Timeline)
	case p.PastA == nil:
		return fmt.Sprintf("%s are on timeline %d with one history; how far apart cannot be told", both, p.Timeline)
	case p.Kin == lineage.Forked:
		return fmt.Sprintf("%s forked at %s of timeline %d: %s went on %d bytes past it that %s does not have, %s %d bytes that %s does not have",
			both, p.Fork, p.Timeline, p.A, *p.PastA, p.B, p.B, *p.PastB, p.A)
	case *p.PastA > 0:
		return behind(p.B, p.A, *p.PastA)
	case *p.PastB > 0:
		return behind(p.A, p.B, *p.PastB)
	default:
		return fmt.Sprintf("%s end at the same byte of timeline %d", both, p.Timeline)
	}
}

func (s *sight) answersText(w io.Writer) {
	if s.asked == nil {
		return
	}
	fmt.Fprintf(w, "\nis %s in its history?", s.asked)
	if file := s.file(); file != "" {
		fmt.Fprintf(w, " (%s, written on timeline %d)", file, s.Owner(*s.asked))
	}
	fmt.Fprintln(w)
	for _, a := range s.answers {
		word := string(a.Verdict)
		if a.Verdict == lineage.Unclear {
			word = "cannot be told"
		}
		if a.Why != "" {
			word += ": " + a.Why
		}
		fmt.Fprintf(w, "  %s\t%s\n", a.Node, word)
	}
}

// file is the WAL file that the record which was asked for begins in, "" if its
// timeline or the size of a file is not known.
func (s *sight) file() string {
	owner := s.Owner(*s.asked)
	for _, n := range s.Nodes {
		if owner != 0 && n.System == s.System && n.SegmentBytes != 0 {
			return pg.SegmentName(owner, s.asked.LSN, n.SegmentBytes)
		}
	}
	return ""
}
