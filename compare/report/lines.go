package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// attemptLine is one lost attempt: who sent it, where it lay in the log, and
// when it was acknowledged.
func (r Report) attemptLine(a Attempt) string {
	parts := []string{fmt.Sprintf("worker %d seq %d", a.Worker, a.Seq)}
	if a.Xid != nil {
		parts = append(parts, "xid "+*a.Xid)
	}
	parts = append(parts, place(a))
	if a.AckedAt != nil {
		if t, err := time.Parse(time.RFC3339, *a.AckedAt); err == nil {
			parts = append(parts, "acked "+clock(t))
		}
	}
	return strings.Join(parts, "  ")
}

// place is timeline and position, or interval, and segment.
func place(a Attempt) string {
	on := ""
	if a.Timeline != nil {
		on = fmt.Sprintf("%d/", *a.Timeline)
	}
	var where string
	switch {
	case a.LSN != nil:
		where = on + a.LSN.String()
	case a.LSNMin != nil && a.LSNMax != nil:
		where = on + a.LSNMin.String() + ".." + a.LSNMax.String()
	case a.LSNMin != nil:
		where = "past " + on + a.LSNMin.String()
	default:
		return "position not known"
	}
	if a.WALSegment != nil {
		where += " (" + *a.WALSegment + ")"
	}
	return where
}

func (r Report) witnessLine() string {
	w := r.Witnesses
	if !w.Rows.Heard {
		return "rows not heard"
	}
	line := fmt.Sprintf("rows: %s lost", count(w.Rows.Lost))
	if w.Rows.Lost == 0 {
		line = fmt.Sprintf("rows: all %s there", count(w.Rows.Survives))
	}
	line += "; " + r.otherWitness("log", w.Log) + "; " + r.otherWitness("client LSN", w.ClientLSN)
	if w.Disagreements > 0 {
		line += "; they disagree on " + plural(w.Disagreements, "attempt", "attempts")
	}
	return line
}

// otherWitness says how a second witness stands to the rows.
func (r Report) otherWitness(name string, w Witness) string {
	if !w.Heard {
		return name + " is silent"
	}
	verb := "agrees"
	if !r.Witnesses.Agree {
		verb = "says"
	}
	if r.Witnesses.Rows.Lost == 0 && w.Lost == 0 {
		return fmt.Sprintf("%s %s (%s, %s silent)", name, verb, plural(w.Survives, "survives", "survive"), count(w.Silent))
	}
	return fmt.Sprintf("%s %s (%s lost, %s silent)", name, verb, count(w.Lost), count(w.SilentOfLost))
}

// zombieLines name the servers that take writes beside the survivor.
func (r Report) zombieLines() []string {
	var lines []string
	for _, n := range r.Nodes {
		if n.Role == "zombie" {
			lines = append(lines, n.Name+" takes writes too, on a log that the survivor has left behind: fence it")
		}
	}
	return lines
}

// unheardLines name the nodes that this report says nothing of. Where no survivor
// is proven, the reason for that names them.
func (r Report) unheardLines() []string {
	var lines []string
	if !slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.Survivor }) {
		return nil
	}
	for _, n := range r.Nodes {
		switch n.Role {
		case "unreachable":
			lines = append(lines, n.Name+" did not answer: whether it takes writes is not known")
		case "unasked":
			lines = append(lines, n.Name+", a node of the run, was not asked: whether it takes writes is not known")
		}
	}
	return lines
}

// findingLines are the classes that no other line speaks of.
func (r Report) findingLines() []string {
	var lines []string
	for _, f := range r.Findings {
		words, told := classWords[f.Class]
		if !told {
			continue
		}
		line := plural(f.Count, words[0], words[1])
		if len(f.Sample) > 0 {
			line += fmt.Sprintf(" (such as worker %d seq %d%s)", f.Sample[0].Worker, f.Sample[0].Seq, f.Sample[0].key())
		}
		lines = append(lines, line)
	}
	return lines
}

// key names the row of a sample, where it is of one.
func (s Sample) key() string {
	if s.Row == nil {
		return ""
	}
	return fmt.Sprintf(", row %d", *s.Row)
}

func (r Report) attemptsLine() string {
	a := r.Attempts
	if r.Run.Drivers == 0 {
		return "not known: " + noAccount
	}
	if r.Stopped && a.Sent == 0 {
		return "not known: " + noEnd
	}
	line := fmt.Sprintf("%s sent: %s acknowledged", count(a.Sent), count(a.Acked))
	if a.Unreplicated > 0 {
		line += ", " + count(a.Unreplicated) + " acknowledged with a warning"
	}
	line += fmt.Sprintf(", %s failed, %s in doubt", count(a.Failed), count(a.InDoubt.Total))
	if a.InDoubt.Total > 0 {
		line += fmt.Sprintf(" (%s committed, %s rolled back", count(a.InDoubt.Committed), count(a.InDoubt.RolledBack))
		if a.InDoubt.Unresolved > 0 {
			line += ", " + count(a.InDoubt.Unresolved) + " unresolved"
		}
		line += ")"
	}
	if a.AccountLost > 0 {
		line += "; " + count(a.AccountLost) + " without an account"
	}
	if r.Stopped {
		line += "; counted until judging stopped"
	}
	return line
}

// limitsLine tells the verdict of each objective that was asked, beyond the
// two that always are.
func (r Report) limitsLine() string {
	var parts []string
	for _, o := range r.Objectives {
		if o.Verdict == nil || o.Name == "rpo_transactions" || o.Name == "integrity" && *o.Verdict != "inconclusive" {
			continue
		}
		part := o.Name + " " + *o.Verdict
		if o.Measured != nil && o.Limit != nil {
			part += fmt.Sprintf(" (%s, limit %s)", measure(o.Name, *o.Measured), measure(o.Name, *o.Limit))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// unaskedLine tells what the objectives that were not asked would have said.
func (r Report) unaskedLine() string {
	var parts []string
	for _, o := range r.Objectives {
		if o.Verdict != nil || o.Measured == nil {
			continue
		}
		parts = append(parts, o.Name+" "+measure(o.Name, *o.Measured))
	}
	return strings.Join(parts, ", ")
}
