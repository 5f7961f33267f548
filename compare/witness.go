package compare

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// rowsSay is the word of the rows: whether the marker is on the survivor.
func rowsSay(marker pg.Presence) Word {
	switch marker {
	case pg.Present:
		return SaysSurvives
	case pg.Absent:
		return SaysLost
	default:
		return Silent
	}
}

// logSays is the word of the log on a captured attempt: where its commit
// records start against the forks. Of one seen at several positions it says
// that it survives if any does, and that it is lost only if all are.
func (j *judge) logSays(s *sight) Word {
	word := Silent
	if len(s.commits) > 0 {
		word = SaysLost
	}
	for i := range s.commits {
		c := &s.commits[i]
		survives, known := j.survives(pg.Position{Branch: c.Branch, LSN: c.LSN})
		switch {
		case known && survives:
			return SaysSurvives
		case !known:
			word = Silent
		}
	}
	return word
}

// clientSays is the word of the LSNs that the client was told, on acked
// attempts that were never captured. A survivor that continues the very branch
// of the ack has no fork to measure against.
func (j *judge) clientSays(s *sight) Word {
	on := j.facts.Survivor.Branch
	if len(s.commits) > 0 || !s.isAck() || s.branch == 0 || s.branch == on {
		return Silent
	}
	if s.min != 0 {
		if survives, known := j.survives(pg.Position{Branch: s.branch, LSN: s.min}); known && !survives {
			return SaysLost
		}
	}
	if s.max != 0 {
		if survives, known := j.survives(pg.Position{Branch: s.branch, LSN: s.max - 1}); known && survives {
			return SaysSurvives
		}
	}
	return Silent
}

// survives asks the history. Nothing is known of a survivor that is not proven.
func (j *judge) survives(p pg.Position) (survives, known bool) {
	if !j.facts.Survivor.Proven {
		return false, false
	}
	return j.facts.Branches.Survives(p, j.facts.Survivor.Branch)
}

// hear takes the words of all witnesses on one attempt, and finds the attempts
// of which they contradict each other.
func (j *judge) hear(s *sight, fate Fate) error {
	rows, log, client := rowsSay(s.original()), j.logSays(s), j.clientSays(s)
	s.log = log
	j.spoke.log = j.spoke.log || log != Silent
	j.spoke.client = j.spoke.client || client != Silent
	w := &j.res.Witnesses
	if j.promised(s) {
		w.Rows.hear(rows, fate)
		w.Log.hear(log, fate)
		w.ClientLSN.hear(client, fate)
	}
	lost := rows == SaysLost || log == SaysLost || client == SaysLost
	survives := rows == SaysSurvives || log == SaysSurvives || client == SaysSurvives
	if !lost || !survives {
		return nil
	}
	w.Disagreements++
	return j.find(WitnessDisagreement, s, fmt.Sprintf("rows: %s, log: %s, client LSN: %s", rows, log, client))
}

// introduce says of each witness whether it was heard, and if not, why.
func (j *judge) introduce() {
	w, f := &j.res.Witnesses, &j.facts
	w.Rows.Heard, w.Log.Heard, w.ClientLSN.Heard = f.Survivor.Proven, j.spoke.log, j.spoke.client
	if !w.Rows.Heard {
		w.Rows.Why = "which node survived is not proven"
	}
	if !w.Log.Heard {
		switch {
		case !f.Survivor.Proven:
			w.Log.Why = "which node survived is not proven"
		case !f.Capture.Heard:
			w.Log.Why = because("the stream was not captured", f.Capture.Why)
		case j.res.Capture.Transactions == 0:
			w.Log.Why = "the stream held no transaction of this run"
		default:
			w.Log.Why = "the survivor's history does not tell where it left the captured log"
		}
	}
	if !w.ClientLSN.Heard {
		switch {
		case !f.Survivor.Proven:
			w.ClientLSN.Why = "which node survived is not proven"
		case len(f.Branches) < 2:
			w.ClientLSN.Why = "no fork was seen"
		default:
			w.ClientLSN.Why = "every ack was captured, or its position against a fork is not known"
		}
	}
}

// because joins a statement and its reason, if there is one.
func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
