package compare

import (
	"fmt"
	"strconv"
)

// evidence says whether anything keeps the run as a whole from being proven.
// Its zero value is the one that proves nothing.
type evidence uint8

const (
	evidenceTorn evidence = iota
	evidenceWhole
)

// conclude makes counts, objectives, verdict and reasons of what the walk
// found. A failure is what ended the walk, or nil.
func (j *judge) conclude(failure error) {
	r := &j.res
	j.capture()
	j.times()
	j.measure()
	j.introduce()
	r.Splits = j.splitBrains()
	doubts := j.whatIsMissing(failure)
	sound := evidenceWhole
	if len(doubts) > 0 {
		sound = evidenceTorn
	}
	j.objectives(sound)
	if failure != nil {
		j.stopped()
	}
	r.Verdict = Met
	var broken, unproven []string
	for _, o := range r.Objectives {
		if !o.Asked {
			continue
		}
		r.Verdict = Worst(r.Verdict, o.Verdict)
		switch {
		case o.Verdict == Breached:
			broken = append(broken, j.breach(o))
		case o.Verdict == Inconclusive && o.Why != "":
			unproven = append(unproven, fmt.Sprintf("%s: %s", o.Name, o.Why))
		case o.Verdict == Inconclusive && len(doubts) == 0:
			unproven = append(unproven, o.Name+": what could be measured does not prove it")
		}
	}
	r.Reasons = append(append(broken, doubts...), unproven...)
	j.unproven()
}

// capture takes over what the facts tell of the stream.
func (j *judge) capture() {
	r, f := &j.res.Capture, &j.facts.Capture
	r.Duplicates, r.Gaps, r.Complete = f.Duplicates+j.again, j.gapLines, j.captureComplete()
	j.res.Counts[CaptureDuplicate] = r.Duplicates
	switch {
	case r.Complete:
	case f.Why != "":
		r.Why = f.Why
	case !f.Heard:
		r.Why = "the stream was not captured"
	case !f.Complete:
		r.Why = "no announced end transaction came through the stream"
	default:
		r.Why = "no announced end transaction is on the survivor"
	}
}

// whatIsMissing lists what keeps a run from being met, in words.
func (j *judge) whatIsMissing(failure error) []string {
	var missing []string
	say := func(format string, args ...any) { missing = append(missing, fmt.Sprintf(format, args...)) }
	r := &j.res
	if failure != nil {
		say("judging stopped: %v", failure)
	}
	missing = append(missing, j.facts.Problems...)
	if !j.facts.Survivor.Proven {
		say("%s", because("which node survived is not proven", j.facts.Survivor.Why))
	}
	missing = append(missing, j.doubts...)
	if failure != nil {
		return missing // of what was not looked at nothing can be said
	}
	switch {
	case j.acks == 0:
		say("no attempt was acknowledged")
	case r.Attempts.Acked == 0:
		say("no attempt was acknowledged without the warning that replication was not awaited: nothing was promised that could be lost")
	}
	if n := len(r.RTO.Outages); n > 0 && r.RTO.Outages[n-1].Open {
		say("the service was not seen to return: no attempt was acknowledged after %s",
			r.RTO.Outages[n-1].From.UTC().Format("15:04:05.0"))
	}
	switch {
	case j.c.Expect == ExpectNone && r.FaultsSeen > 0:
		say("%s seen, and none was expected", were(int64(r.FaultsSeen), "fault was", "faults were"))
	case j.c.Expect == ExpectNone && j.faceless() > 0:
		say("%s not tell which server process or branch it met, and no fault was expected", were(j.faceless(), "connection does", "connections do"))
	case j.c.Expect != ExpectNone && r.FaultsSeen == 0:
		say("no fault was seen: no new server process, no new branch, and no outage over %v with a lost connection", j.c.OutageThreshold)
	case j.c.Expect != ExpectNone && r.FaultsSeen == 1 && j.passedBy():
		say("the service was not seen to return: the survivor is another server process, or on another branch, than any that the load met")
	}
	if n := r.Attempts.AccountLost; n > 0 {
		say("%s no account, and may have been acknowledged", were(n, "reserved attempt has", "reserved attempts have"))
	}
	if n := r.Attempts.InDoubt.Unresolved; n > 0 && j.facts.Survivor.Proven {
		say("%s in doubt, and may still be committed", were(n, "attempt is", "attempts are"))
	}
	if n := j.unknown - r.Attempts.InDoubt.Unresolved; n > 0 && j.facts.Survivor.Proven {
		say("%s was not looked for", were(n, "attempt", "attempts"))
	}
	if n := r.Unattributed; n > 0 {
		say("%s to no account, while an account is missing", were(n, "transaction on the survivor belongs", "transactions on the survivor belong"))
	}
	if s := &j.facts.Survivor; s.Proven && !s.TablesAbsent && j.facts.TableWorkers == nil {
		say("the rows were not compared: the survivor was not asked for its tables")
	}
	if n := r.UnattributedRows; n > 0 {
		say("%s to no account, while an account is missing", were(n, "row on the survivor belongs", "rows on the survivor belong"))
	}
	if n := j.misfits; n > 0 {
		say("%s another number of rows than the plan", were(n, "marker promises", "markers promise"))
	}
	return missing
}

// breach says what broke an objective.
func (j *judge) breach(o Objective) string {
	r, l := &j.res, strconv.FormatFloat(o.Limit, 'f', -1, 64)
	switch o.Name {
	case RPOTransactions:
		return fmt.Sprintf("%s lost (limit: %s)", were(r.RPO.Transactions, "acknowledged transaction was", "acknowledged transactions were"), l)
	case Diverged:
		return fmt.Sprintf("%s on the survivor (limit: %s)", were(r.Capture.Lost, "captured transaction is not", "captured transactions are not"), l)
	case CDC:
		if j.facts.Slot.Fate == SlotBroken {
			return fmt.Sprintf("the slot did not survive: %s", j.facts.Slot.Why)
		}
		if gaps := r.Counts[CaptureGap]; float64(gaps) == o.Measured {
			return fmt.Sprintf("%s never in the stream (limit: %s)", were(gaps, "surviving transaction was", "surviving transactions were"), l)
		}
		return fmt.Sprintf("%s the promise of the stream (limit: %s)", were(int64(o.Measured), "finding breaks", "findings break"), l)
	case Integrity:
		if split := r.Counts[SplitBrain]; float64(split) == o.Measured {
			return were(split, "transaction was", "transactions were") + " acknowledged by a server from which another had taken over"
		}
		return fmt.Sprintf("%s the integrity of what survived", were(int64(o.Measured), "finding breaks", "findings break"))
	default:
		return fmt.Sprintf("%s is %s%s (limit: %s%s)", o.Name, strconv.FormatFloat(o.Measured, 'f', -1, 64), unit(o.Name), l, unit(o.Name))
	}
}

// unit is what follows a number of the objective, where it is more than a count.
func unit(objective string) string {
	switch objective {
	case RPOSeconds, RTOGlobal, RTOWorkerMax:
		return " s"
	case RPOPayloadBytes, RPOWALBytes:
		return " B"
	default:
		return ""
	}
}

// unproven names what is silent and does not change the verdict.
func (j *judge) unproven() {
	r := &j.res
	say := func(format string, args ...any) { r.Unproven = append(r.Unproven, fmt.Sprintf(format, args...)) }
	if !j.facts.Survivor.Proven || r.Stopped {
		return
	}
	if s := &j.facts.Survivor; s.TablesAbsent {
		say("pgrpo's tables are not on %s: what made them was lost, or they were dropped, as by pgrpo reset", s.Name)
	}
	if !r.Witnesses.Log.Heard {
		say("the log is silent: %s", r.Witnesses.Log.Why)
	}
	if !r.Witnesses.ClientLSN.Heard {
		say("client LSN is silent: %s", r.Witnesses.ClientLSN.Why)
	}
	if !r.Capture.Complete {
		say("the stream is not proven complete: %s", r.Capture.Why)
	}
	for _, at := range j.facts.Poolers {
		say("the connections went through a pooler at %s: which server an attempt without an answer went to is not known, "+
			"nor whether the warning was hidden that replication was not awaited", at)
	}
	if n := r.Attempts.Unreplicated; n > 0 {
		say("%s with the warning that replication was not awaited, and %d of them lost",
			were(n, "attempt was acknowledged", "attempts were acknowledged"), r.RPO.Unreplicated)
	}
	if !r.PayloadChecked {
		say("payload: not checked")
	}
}

// were is a count with its noun and verb, in the number that fits.
func were(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}
