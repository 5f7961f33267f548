package explain

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// mostOps is how many operations the text lists.
const mostOps = 10

// Text prints the life for people.
func (l Life) Text(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s\n\n", l.Sentence)
	l.textPlan(line)
	l.textClient(line)
	for _, c := range l.Captured {
		line("captured", "%d of %d changes at %s to %s on timeline %d (branch %d), xid %s, committed %s", c.Changes, c.Promised, c.LSN, c.End, c.Timeline, c.Branch, c.Xid, c.CommittedAt)
	}
	if l.Uncaptured != nil {
		line("captured", "no: %s", *l.Uncaptured)
	}
	for _, r := range l.Records {
		r.text(line)
	}
	for _, n := range l.Nodes {
		role := n.Role
		if n.Survivor {
			role += ", the survivor"
		}
		if n.Timeline != 0 {
			role += fmt.Sprintf(", timeline %d", n.Timeline)
		}
		if n.Branch != 0 {
			role += fmt.Sprintf(", branch %d", n.Branch)
		}
		line("node", "%s", because(fmt.Sprintf("%s (%s): %s", n.Name, role, n.Look), n.Why))
	}
	for _, f := range l.Findings {
		line("finding", "%s", because(f.Class, f.Text))
	}
	for _, u := range l.Unseen {
		line("not seen", "%s", u)
	}
	return w.Flush()
}

func (l Life) textPlan(line func(string, string, ...any)) {
	if l.Unplanned != nil {
		line("planned", "not known: %s", *l.Unplanned)
		return
	}
	var ops []string
	for _, op := range l.Planned {
		text := fmt.Sprintf("%s row %d", op.Kind, op.Row)
		if op.Expect != nil {
			text += fmt.Sprintf(" of seq %d", *op.Expect)
		}
		if len(ops) < mostOps {
			ops = append(ops, text)
		}
	}
	if more := len(l.Planned) - len(ops); more > 0 {
		ops = append(ops, fmt.Sprintf("and %d more", more))
	}
	line("planned", "%s", strings.Join(ops, ", "))
}

func (l Life) textClient(line func(string, string, ...any)) {
	if l.SentAt != nil {
		line("sent", "%s", *l.SentAt)
		outcome := l.Outcome + " at " + *l.EndedAt
		for _, more := range []*string{l.Fault, l.SQLState} {
			if more != nil {
				outcome += ", " + *more
			}
		}
		if l.Xid != nil {
			outcome += ", xid " + *l.Xid
		}
		line("outcome", "%s", outcome)
	} else {
		line("outcome", "%s", l.Outcome)
	}
	s := l.Server
	if s == nil {
		return
	}
	text := s.Address
	if s.StartedAt != nil {
		text += ", process started " + *s.StartedAt
	}
	if s.Timeline != nil {
		text += fmt.Sprintf(", timeline %d", *s.Timeline)
	}
	if s.Branch != nil {
		text += fmt.Sprintf(" (branch %d)", *s.Branch)
	}
	line("server", "%s, backend %d, PostgreSQL %s, synchronous_commit %s", text, s.Backend, s.Version, s.SyncCommit)
}

func (r Record) text(line func(string, string, ...any)) {
	where := fmt.Sprintf("at %s to %s", r.LSN, r.endText())
	if !r.Exact {
		where = fmt.Sprintf("between %s and %s, by what the client was told", r.LSN, r.endText())
	}
	line("record", "%s, timeline %d (branch %d)", where, r.Timeline, r.Branch)
	if r.Segment != nil {
		line("file", "%s, offset %d (0x%X)", *r.Segment, *r.Offset, *r.Offset)
	}
	for _, f := range r.Forks {
		text := fmt.Sprintf("%s the fork to timeline %d (branch %d)", f.Side, f.Timeline, f.Branch)
		if f.LSN != nil {
			text += " at " + f.LSN.String()
		}
		if f.Bytes != nil {
			text += ", by " + pg.Bytes(*f.Bytes).String()
		}
		line("lies", "%s", text)
	}
	if s := r.Seen; s != nil {
		line("seen", "%s", because(fmt.Sprintf("by %s: COMMIT of xid %d at %s to %s", s.Source, s.Xid, s.Start, s.End), s.Text))
	}
	line("see it", "%s", r.Waldump)
}

func (r Record) endText() string {
	if r.End == nil {
		return "the end of that WAL"
	}
	return pg.LSN(*r.End).String()
}
