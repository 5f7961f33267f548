package explain

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Dead is what the WAL of a dead server holds past the point where the survivor
// left it, beside what the last judgement called lost.
type Dead struct {
	Directory string `json:"directory"`
	// Branch and Timeline are the dead server's, Fork where the survivor left it.
	Branch   pg.BranchID `json:"branch"`
	Timeline pg.Timeline `json:"timeline"`
	Fork     pg.LSN      `json:"fork_lsn"`
	// End is where the WAL ends, and EndWhy what stands there.
	End    pg.LSN `json:"end_lsn"`
	EndWhy string `json:"end_reason"`
	// Commits counts the commit records at or past the fork: those of Attempts, and
	// Others that no attempt of the run is known to have made.
	Commits  int           `json:"commits"`
	Others   int           `json:"others"`
	Attempts []DeadAttempt `json:"attempts"`
	// Judged says that there is a judgement to compare with. OnlyReport are lost by
	// that and not in the WAL; OnlyWAL are acknowledged and in the WAL past the fork,
	// and not lost by that. Elsewhere counts those lost on other branches.
	Judged     bool   `json:"judged"`
	OnlyReport []Name `json:"only_in_report"`
	OnlyWAL    []Name `json:"only_in_wal"`
	Elsewhere  int    `json:"lost_on_other_branches"`
}

// Name names an attempt of the run.
type Name struct {
	Worker txn.Worker `json:"worker"`
	Seq    txn.Seq    `json:"seq"`
}

// DeadAttempt is an attempt whose commit record the survivor never had.
type DeadAttempt struct {
	Name
	Outcome string `json:"outcome"`
	LSN     pg.LSN `json:"lsn"`
	End     pg.LSN `json:"end_lsn"`
	Xid     pg.Xid `json:"xid"`
	// At is the server's time of the commit.
	At string `json:"committed_at"`
	// Captured says that the stream showed it.
	Captured bool `json:"captured"`
}

// Equal tells whether the WAL and the judgement call the same attempts lost.
func (d Dead) Equal() bool { return d.Judged && len(d.OnlyReport) == 0 && len(d.OnlyWAL) == 0 }

// Acked counts the attempts that were acknowledged.
func (d Dead) Acked() int {
	n := 0
	for _, a := range d.Attempts {
		if IsAck(a.Outcome) {
			n++
		}
	}
	return n
}

// IsAck tells whether an outcome, by its name, is an acknowledgement.
func IsAck(outcome string) bool {
	return outcome == txn.Acked.String() || outcome == txn.AckedUnreplicated.String()
}

// Sentence sums it up.
func (d Dead) Sentence() string {
	text := fmt.Sprintf("The WAL of the dead server goes on past the fork %s of timeline %d with %s: %d acknowledged, %d in doubt or otherwise, %d others",
		d.Fork, d.Timeline, plural(d.Commits, "commit"), d.Acked(), len(d.Attempts)-d.Acked(), d.Others)
	switch {
	case !d.Judged:
		return text + "; the run was not judged, so there is no list to compare with."
	case d.Equal():
		return text + "; the acknowledged are the very attempts that the report calls lost."
	default:
		return text + fmt.Sprintf("; they are not the list of the report: %d are lost there and not in this WAL, %d are in this WAL and not lost there.", len(d.OnlyReport), len(d.OnlyWAL))
	}
}

// mostListed is how many attempts the text lists; the JSON has all.
const mostListed = 50

// Text prints it for people.
func (d Dead) Text(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n\n", d.Sentence())
	fmt.Fprintf(w, "directory\t%s, timeline %d (branch %d)\n", d.Directory, d.Timeline, d.Branch)
	fmt.Fprintf(w, "read\tfrom %s to %s, where the WAL ends: %s\n", d.Fork, d.End, d.EndWhy)
	if d.Elsewhere > 0 {
		fmt.Fprintf(w, "elsewhere\t%d more are lost on other branches, whose WAL is not here\n", d.Elsewhere)
	}
	names(w, "only in the report", d.OnlyReport)
	names(w, "only in the WAL", d.OnlyWAL)
	for i, a := range d.Attempts {
		if i == mostListed {
			fmt.Fprintf(w, "\tand %d more, all with --report json\n", len(d.Attempts)-i)
			break
		}
		seen := ""
		if a.Captured {
			seen = ", captured"
		}
		fmt.Fprintf(w, "%s\tworker %d seq %d  xid %d  committed %s  %s%s\n", a.LSN, a.Worker, a.Seq, a.Xid, a.At, a.Outcome, seen)
	}
	return w.Flush()
}

func names(w io.Writer, what string, all []Name) {
	if len(all) == 0 {
		return
	}
	var text []string
	for i, n := range all {
		if i == mostListed {
			text = append(text, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		text = append(text, fmt.Sprintf("worker %d seq %d", n.Worker, n.Seq))
	}
	fmt.Fprintf(w, "%s\t%s\n", what, strings.Join(text, ", "))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
