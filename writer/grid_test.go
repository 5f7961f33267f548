package writer

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// reach is what an error of the allow-list means where a reply has a certain
// form. An error that is not on the list is in doubt in all of them, but for an
// attempt that was not sent.
type reach string

const (
	// decides: the attempt failed, as the state says.
	decides reach = "decides"
	// unheard: the attempt is in doubt all the same.
	unheard reach = "unheard"
	// needless: the attempt failed whatever the state.
	needless reach = "needless"
)

// ended is one form of a reply with an error in it.
type ended struct {
	name  string
	reply reply
	phase txn.Phase
	reach reach
}

// endings are all forms: severity by phase.
func endings() []ended {
	sent := func(v severity, c commit, ready byte) reply {
		r := reply{write: wroteSome, severity: v, commit: c, results: incomplete, ready: ready}
		if ready == 0 && (v == isError || v == strange) {
			r.broken = txn.Reset
		}
		return r
	}
	warned := func(r reply) reply { r.warned = true; return r }
	whole := func(r reply) reply { r.results = complete; return r }
	return []ended{
		{"ERROR of one statement", sent(isError, noCommit, 'I'), txn.Answered, decides},
		{"ERROR of one statement at its commit", whole(sent(isError, noCommit, 'I')), txn.Answered, decides},
		{"ERROR of one statement, warned", warned(sent(isError, noCommit, 'I')), txn.Answered, decides},
		{"ERROR of one statement, cut", sent(isError, noCommit, 0), txn.Sent, unheard},
		{"ERROR in a pipeline", sent(isError, unanswered, 'E'), txn.Answered, decides},
		{"ERROR in a pipeline that is open still", sent(isError, unanswered, 'T'), txn.Answered, decides},
		{"ERROR at COMMIT", sent(isError, unanswered, 'I'), txn.Answered, decides},
		{"ERROR at COMMIT, warned", warned(sent(isError, unanswered, 'I')), txn.Answered, decides},
		{"ERROR in a pipeline, cut", sent(isError, unanswered, 0), txn.Sent, unheard},
		{"ERROR and ROLLBACK", sent(isError, rolledBack, 'I'), txn.Answered, decides},
		{"ERROR after COMMIT", whole(sent(isError, committed, 'I')), txn.Answered, unheard},
		{"ERROR after COMMIT, cut", sent(isError, committed, 0), txn.Sent, unheard},
		{"FATAL of one statement", sent(isFatal, noCommit, 0), txn.Answered, unheard},
		{"FATAL in a pipeline", sent(isFatal, unanswered, 0), txn.Answered, unheard},
		{"FATAL after COMMIT", sent(isFatal, committed, 0), txn.Answered, unheard},
		{"FATAL after ROLLBACK", sent(isFatal, rolledBack, 0), txn.Answered, unheard},
		{"PANIC of one statement", sent(isPanic, noCommit, 0), txn.Answered, unheard},
		{"PANIC in a pipeline", sent(isPanic, unanswered, 0), txn.Answered, unheard},
		{"PANIC after COMMIT", sent(isPanic, committed, 0), txn.Answered, unheard},
		{"strange, of one statement", sent(strange, noCommit, 'I'), txn.Answered, unheard},
		{"strange, in a pipeline", sent(strange, unanswered, 'E'), txn.Answered, unheard},
		{"strange, after COMMIT", whole(sent(strange, committed, 'I')), txn.Answered, unheard},
		{"strange, after ROLLBACK", sent(strange, rolledBack, 'I'), txn.Answered, unheard},
		{"strange, cut", sent(strange, unanswered, 0), txn.Sent, unheard},
		{"not sent", reply{write: wroteNothing, severity: isError, commit: noCommit, results: incomplete}, txn.NotSent, needless},
		{"not sent, FATAL", reply{write: wroteNothing, severity: isFatal, commit: unanswered, results: incomplete}, txn.NotSent, needless},
	}
}

// TestGridOfErrors holds every SQLSTATE in every form of a reply against the
// outcome that is written down for it.
func TestGridOfErrors(t *testing.T) {
	for _, form := range endings() {
		for _, s := range append(states(), raised{"", txn.InDoubt, txn.OtherFault}) {
			r := form.reply
			r.state = txn.StateOf(s.state)
			want := txn.InDoubt
			switch form.reach {
			case decides:
				want = s.outcome
			case needless:
				want = txn.Failed
			case unheard:
			}
			fault := s.fault
			if s.state == "" && r.broken != txn.NoFault {
				fault = r.broken
			}
			outcome, phase, got := settle(r)
			if outcome != want || phase != form.phase || got != fault {
				t.Errorf("%s, %q: %v, %v, %v; want %v, %v, %v", form.name, s.state, outcome, phase, got, want, form.phase, fault)
			}
		}
	}
}

// TestGridWithoutErrors goes through every reply without an error: all that are
// not named here are in doubt.
func TestGridWithoutErrors(t *testing.T) {
	named := map[string]txn.Outcome{
		"no commit, complete, I":          txn.Acked,
		"no commit, complete, warned, I":  txn.AckedUnreplicated,
		"COMMIT, complete, I":             txn.Acked,
		"COMMIT, complete, warned, I":     txn.AckedUnreplicated,
		"ROLLBACK, complete, I":           txn.Failed,
		"ROLLBACK, complete, warned, I":   txn.Failed,
		"ROLLBACK, incomplete, I":         txn.Failed,
		"ROLLBACK, incomplete, warned, I": txn.Failed,
	}
	commits := map[string]commit{"no commit": noCommit, "unanswered": unanswered, "COMMIT": committed, "ROLLBACK": rolledBack}
	wholes := map[string]results{"complete": complete, "incomplete": incomplete}
	warnings := map[string]bool{", warned": true, "": false}
	seen := 0
	for c, commit := range commits {
		for w, whole := range wholes {
			for n, warned := range warnings {
				for _, ready := range []byte{0, 'I', 'T', 'E', '?'} {
					r := reply{write: wroteSome, severity: noError, commit: commit, results: whole, warned: warned, ready: ready}
					phase := txn.Answered
					if ready == 0 {
						r.broken, phase = txn.Timeout, txn.Sent
					}
					name := fmt.Sprintf("%s, %s%s, %c", c, w, n, ready)
					want, ok := named[name]
					if ok {
						seen++
					}
					fault := txn.OtherFault
					switch {
					case want.IsAck():
						fault = txn.NoFault
					case ready == 0:
						fault = txn.Timeout
					}
					outcome, gotPhase, gotFault := settle(r)
					if outcome != want || gotPhase != phase || gotFault != fault {
						t.Errorf("%s: %v, %v, %v; want %v, %v, %v", name, outcome, gotPhase, gotFault, want, phase, fault)
					}
				}
			}
		}
	}
	if seen != len(named) {
		t.Errorf("%d of %d named replies came up", seen, len(named))
	}
}

// TestStatesCoverTheList fails if the table of rules names a SQLSTATE or a class
// that no state of the grid has.
func TestStatesCoverTheList(t *testing.T) {
	for _, u := range rules() {
		covered := u.state == ""
		for _, s := range states() {
			covered = covered || len(s.state) >= len(u.state) && s.state[:len(u.state)] == u.state
		}
		if !covered {
			t.Errorf("no state of the grid is of %s", u.state)
		}
	}
}
