package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// Text renders the report for people: the verdict first, then what was lost,
// for how long nobody could write, what the stream and the witnesses say, and
// what stays unproven.
func (r Report) Text(style Style) string {
	p := &page{}
	r.headline(p, style)
	p.line("RPO", r.rpoLine())
	p.lines("Outage", r.outageLines())
	p.lines("Split", r.splitLines())
	p.lines("Zombie", r.zombieLines())
	p.lines("Unheard", r.unheardLines())
	p.line("Stream", r.streamLine())
	p.lines("Slot", r.slotLines())
	if r.RPO.FirstLost != nil {
		p.line("First", r.attemptLine(*r.RPO.FirstLost))
	}
	if r.RPO.LastLost != nil && r.RPO.Transactions > 1 {
		p.line("Last", r.attemptLine(*r.RPO.LastLost))
	}
	if n := r.RPO.Restored; n > 0 {
		p.line("Restored", plural(n, "lost transaction is", "lost transactions are")+" on the survivor again, by a salvage; the loss stays a loss")
	}
	p.line("Witness", r.witnessLine())
	if lines := r.findingLines(); len(lines) > 0 {
		p.lines("Found", lines)
	}
	if r.Payload == "checked" {
		p.line("Payload", "checked: every surviving row was read and made again")
	}
	p.line("Attempts", r.attemptsLine())
	if line := r.limitsLine(); line != "" {
		p.line("Limits", line)
	}
	if line := r.unaskedLine(); line != "" {
		p.line("No limit", line)
	}
	if len(r.Unproven) > 0 {
		p.lines("Unproven", r.Unproven)
	}
	if r.Dir != "" {
		p.line("Files", r.Dir)
	}
	return p.b.String()
}

// headline says the verdict with its first reason, then the other reasons.
func (r Report) headline(p *page, style Style) {
	colour := map[string]string{"met": green, "breached": red}[r.Verdict]
	if colour == "" {
		colour = yellow
	}
	verdict := strings.ToUpper(r.Verdict)
	what, rest := r.summary(), r.Reasons
	if len(rest) > 0 {
		what, rest = rest[0], rest[1:]
	}
	first := pad(pad("VERDICT", column)+verdict, column+14) + what
	run := "run " + r.Run.ID
	room := width - utf8.RuneCountInString(run)
	switch {
	case utf8.RuneCountInString(first) < room:
		first = pad(first, room) + run
		p.b.WriteString(strings.Replace(first, verdict, style.paint(colour, verdict), 1) + "\n")
	default:
		first = pad(pad("VERDICT", column)+verdict, room) + run
		p.b.WriteString(strings.Replace(first, verdict, style.paint(colour, verdict), 1) + "\n")
		p.line("Because", what)
	}
	for _, reason := range rest {
		p.line("", reason)
	}
}

// summary is what there is to say of a run without a reason against it.
func (r Report) summary() string {
	if r.Verdict != "met" {
		return "nothing was proven"
	}
	if r.RPO.Transactions > 0 {
		return plural(r.RPO.Transactions, "acknowledged transaction was lost, which", "acknowledged transactions were lost, which") + " the limit allows"
	}
	if n := r.RPO.Unreplicated.Transactions; n > 0 {
		return fmt.Sprintf("none lost but %s acknowledged with a warning", count(n))
	}
	return "no acknowledged transaction was lost"
}

func (r Report) objective(name string) Objective {
	for _, o := range r.Objectives {
		if o.Name == name {
			return o
		}
	}
	return Objective{Name: name}
}

func (r Report) rpoLine() string {
	o := r.objective(compare.RPOTransactions)
	limit := ""
	if o.Limit != nil {
		limit = fmt.Sprintf("   (limit: %s)", number(*o.Limit))
	}
	lost := r.RPO
	if o.Measured == nil {
		why := "which node survived is not proven"
		if r.Witnesses.Rows.Why != nil {
			why = *r.Witnesses.Rows.Why
		}
		return "not measured: " + why + limit
	}
	if lost.Transactions == 0 {
		return "0 transactions" + limit
	}
	parts := []string{
		plural(lost.Transactions, "transaction", "transactions"), plural(lost.Rows, "row", "rows"),
		pg.Bytes(lost.PayloadBytes).String() + " payload", walWords(lost.WALBytes), secs(lost.Seconds),
	}
	return strings.Join(parts, ", ") + limit
}

func walWords(w WALBytes) string {
	switch {
	case w.Min == nil:
		return "WAL not known"
	case w.Max == nil:
		return "at least " + pg.Bytes(*w.Min).String() + " WAL"
	case pg.Bytes(*w.Min).String() == pg.Bytes(*w.Max).String():
		return pg.Bytes(*w.Min).String() + " WAL"
	default:
		return pg.Bytes(*w.Min).String() + " to " + pg.Bytes(*w.Max).String() + " WAL"
	}
}

// noEnd says why nothing is known of what was not looked at.
const noEnd = "judging stopped"

// noAccount says why nothing is known of what was sent.
const noAccount = "no account of the load was read"

func (r Report) outageLines() []string {
	if r.Run.Drivers == 0 {
		return []string{"not measured: " + noAccount}
	}
	if r.Stopped && len(r.RTO.Outages) == 0 {
		return []string{"not measured: " + noEnd}
	}
	if r.Attempts.Acked+r.Attempts.Unreplicated == 0 {
		return []string{"not measured: no attempt was acknowledged"}
	}
	if len(r.RTO.Outages) == 0 {
		return []string{"none longer than " + secs(float64(r.RTO.ThresholdMS)/1e3)}
	}
	var lines []string
	for _, o := range r.RTO.Outages {
		from, known := r.at(o.StartedMS)
		line := secs(float64(o.DurationMS)/1e3) + " without any commit"
		switch {
		case o.EndedMS == nil && known:
			line += fmt.Sprintf(" (from %s on, not seen to end)", clock(from))
		case o.EndedMS == nil:
			line += " (not seen to end)"
		case known:
			to, _ := r.at(*o.EndedMS)
			line += fmt.Sprintf(" (%s to %s)", clock(from), clock(to))
		}
		lines = append(lines, line)
	}
	const most = 5
	if len(lines) > most {
		more := int64(len(lines) - most)
		lines = append(lines[:most], plural(more, "more outage", "more outages"))
	}
	if n := int64(len(r.RTO.TesterStalls)); n > 0 {
		lines = append(lines, plural(n, "stall of the tester itself", "stalls of the tester itself"))
	}
	return lines
}

// at is the moment a number of milliseconds after the start of the run.
func (r Report) at(ms int64) (time.Time, bool) {
	if r.Run.StartedAt == nil {
		return time.Time{}, false
	}
	start, err := time.Parse(time.RFC3339, *r.Run.StartedAt)
	if err != nil {
		return time.Time{}, false
	}
	return start.Add(time.Duration(ms) * time.Millisecond), true
}

func (r Report) streamLine() string {
	c := r.Capture
	if r.Stopped && c.Transactions == 0 {
		return "not measured: " + noEnd
	}
	line := plural(c.Transactions, "transaction captured", "transactions captured")
	if c.Complete {
		line += " to the end"
	} else {
		line += ", not proven to the end"
	}
	if c.CapturedLost == 1 {
		line += "; 1 of them does not exist on the survivor"
	} else if c.CapturedLost > 1 {
		line += "; " + count(c.CapturedLost) + " of them do not exist on the survivor"
	}
	if n := int64(len(c.Gaps)); n > 0 {
		fell := int64(0)
		for _, g := range c.Gaps {
			fell += g.Transactions
		}
		line += "; " + plural(n, "gap", "gaps")
		if fell > 0 {
			line += ", which " + plural(fell, "survivor", "survivors") + " fell into"
		}
	}
	if c.Unexplained > 0 {
		line += "; " + plural(c.Unexplained, "survivor was never in it", "survivors were never in it")
	}
	return line
}

func (r Report) slotLines() []string {
	if len(r.Slots) == 0 {
		return []string{"not checked"}
	}
	var lines []string
	for _, s := range r.Slots {
		line := fmt.Sprintf("%s on %s: %s", s.Name, s.Node, s.Verdict)
		if s.Reason != "" {
			line += ", " + s.Reason
		}
		lines = append(lines, line)
	}
	return lines
}
