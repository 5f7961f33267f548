package compare

import (
	"fmt"
	"time"
)

// The objectives, by the names of the report.
const (
	RPOTransactions = "rpo_transactions"
	RPORows         = "rpo_rows"
	RPOPayloadBytes = "rpo_payload_bytes"
	RPOWALBytes     = "rpo_wal_bytes"
	RPOSeconds      = "rpo_seconds"
	RTOGlobal       = "rto_global"
	RTOWorkerMax    = "rto_worker_max"
	CDC             = "cdc"
	Diverged        = "diverged"
	Integrity       = "integrity"
)

// Objective is one promise of the run, with what was measured of it. Limit and
// Measured are in the unit of the name, times in seconds.
type Objective struct {
	Name string
	// Asked says that the run has a limit; without one, Limit means nothing
	// and Verdict is inconclusive.
	Asked bool
	Limit float64
	// Known says that something was measured. A measure that is not proven
	// is a lower bound.
	Known    bool
	Measured float64
	Verdict  Verdict
	// Why says why an objective is not proven, beyond what keeps the whole
	// run from being proven.
	Why string
}

// breaks tells, for each objective, which classes count against it.
var breaks = map[string][]Class{
	RPOTransactions: {LostTransaction, LostUnreplicated},
	RPORows:         {LostTransaction, LostUnreplicated},
	RPOPayloadBytes: {LostTransaction, LostUnreplicated},
	RPOWALBytes:     {LostTransaction, LostUnreplicated},
	RPOSeconds:      {LostTransaction, LostUnreplicated},
	CDC:             {CaptureGap, CaptureDisorder, CaptureTorn, CaptureMismatch},
	Diverged:        {CapturedLost},
	Integrity: {
		Hole, PhantomTransaction, AlienRow, SplitBrain, WitnessDisagreement,
		TornTransaction, StaleRow, MissingRow, ResurrectedRow, CorruptRow,
	},
}

// measure is what was measured of an objective: it is at least low, and at
// most high where bounded says so.
type measure struct {
	low, high float64
	bounded   bool
	// silent says that there was nothing to measure; unproven why a measure
	// within the limit does not prove it; void why not even one past the
	// limit disproves it.
	silent         bool
	unproven, void string
}

func exactly(v float64) measure { return measure{low: v, high: v, bounded: true} }

// ofRows is a measure that only the survivor's rows can give.
func (j *judge) ofRows(v float64) measure {
	m := exactly(v)
	m.silent = !j.facts.Survivor.Proven
	return m
}

// weigh sets a measure against a limit.
func weigh(name string, limit *float64, m measure, e evidence) Objective {
	o := Objective{Name: name, Known: !m.silent, Measured: m.low}
	if m.bounded {
		o.Measured = m.high
	}
	if limit == nil {
		return o
	}
	o.Asked, o.Limit = true, *limit
	switch {
	case m.void != "":
		o.Why = m.void
	case !m.silent && m.low > *limit:
		o.Verdict = Breached
	case m.unproven != "":
		o.Why = m.unproven
	case !m.silent && m.bounded && m.high <= *limit && e == evidenceWhole:
		o.Verdict = Met
	}
	return o
}

func count(limit *int64) *float64 {
	if limit == nil {
		return nil
	}
	v := float64(*limit)
	return &v
}

func seconds(limit *time.Duration) *float64 {
	if limit == nil {
		return nil
	}
	v := limit.Seconds()
	return &v
}

// objectives weighs all objectives by the evidence as a whole.
func (j *judge) objectives(e evidence) {
	r, l := &j.res, &j.c.Limits
	none := 0.0
	transactions := count(l.Transactions)
	if transactions == nil {
		transactions = &none
	}
	r.Objectives = []Objective{
		weigh(RPOTransactions, transactions, j.ofRows(float64(r.RPO.Transactions)), e),
		weigh(RPORows, count(l.Rows), j.ofRows(float64(r.RPO.Ops.Rows())), e),
		weigh(RPOPayloadBytes, count(l.PayloadBytes), j.ofRows(float64(r.RPO.Ops.PayloadBytes)), e),
		weigh(RPOWALBytes, count(l.WALBytes), j.wal(), e),
		weigh(RPOSeconds, seconds(l.Span), j.lostTime(), e),
		weigh(RTOGlobal, seconds(l.RTOGlobal), j.rtoGlobal(), e),
		weigh(RTOWorkerMax, seconds(l.RTOWorkerMax), j.rto(r.RTO.WorkerMax, j.clock.WorkerUnasked(), 0, l.RTOWorkerMax), e),
		weigh(CDC, count(l.CDC), j.cdc(), e),
		weigh(Diverged, count(l.Diverged), j.diverged(), e),
		weigh(Integrity, &none, j.integrity(), e),
	}
	for _, o := range r.Objectives {
		if o.Verdict != Breached {
			continue
		}
		for _, class := range breaks[o.Name] {
			counted := class != LostUnreplicated || j.c.Acks == StrictAcks
			if counted && r.Counts[class] > 0 {
				r.Breaks[class] = true
			}
		}
	}
}

// integrity is proven by the survivor's rows; a split brain is disproof of it
// without them.
func (j *judge) integrity() measure {
	m := j.ofRows(j.found(Integrity))
	m.silent = m.silent && m.low == 0
	return m
}

func (j *judge) wal() measure {
	w := j.res.RPO.WAL
	m := j.ofRows(float64(w.Min))
	m.high, m.bounded, m.unproven = float64(w.Max), w.MaxKnown, w.Why
	m.silent = m.silent || !w.MinKnown
	return m
}

// lostTime is how long the lost acks of a fork took. The times of several drivers
// are set against each other only as far as their clocks tell.
func (j *judge) lostTime() measure {
	m := j.ofRows(0)
	if j.res.RPO.Transactions == 0 {
		return m
	}
	within := j.span
	m.low, m.high = max(0, within.low-j.aligned.slack).Seconds(), (within.high + j.aligned.slack).Seconds()
	m.void, m.unproven = j.aligned.why, within.open
	return m
}

// rtoGlobal is how long nobody could write.
func (j *judge) rtoGlobal() measure {
	m := j.rto(j.res.RTO.Global, j.clock.Unasked(), j.aligned.slack, j.c.Limits.RTOGlobal)
	if m.void == "" {
		m.void = j.aligned.why
	}
	return m
}

// rto is a time without an ack, of which the longest is known give or take slack.
// Where nothing was asked of the service for longer than the limit, it may have
// been away for as long.
func (j *judge) rto(longest, unasked, slack time.Duration, limit *time.Duration) measure {
	m := exactly(longest.Seconds())
	if longest > 0 {
		m.low, m.high = max(0, longest-slack).Seconds(), (longest + slack).Seconds()
	}
	// Without a limit, what is shorter than an outage is not measured.
	m.silent = j.acks == 0 || limit == nil && longest == 0
	switch {
	case stalled(j.res.RTO.Outages, j.res.RTO.Stalls):
		m.void = "the tester itself stalled during an outage"
	case limit == nil:
	case *limit < finestStretch+slack && longest == 0:
		m.unproven = fmt.Sprintf("times below %v are not measured", finestStretch+slack)
	case unasked+slack > *limit && unasked > 0:
		m.unproven = fmt.Sprintf("nothing was asked of the service in the %v between two acknowledgements", unasked)
	}
	return m
}

// found counts the findings that break an objective.
func (j *judge) found(objective string) float64 {
	n := int64(0)
	for _, class := range breaks[objective] {
		n += j.res.Counts[class]
	}
	return float64(n)
}

func (j *judge) cdc() measure {
	m := j.ofRows(j.found(CDC))
	if !j.res.Capture.Complete {
		m.silent, m.unproven = true, because("the stream was not followed to its end", j.res.Capture.Why)
	}
	switch slot := j.facts.Slot; slot.Fate {
	case SlotKept:
	case SlotBroken:
		// This alone disproves it, whatever else is known of the stream.
		if m.silent {
			m.low = 0
		}
		m.low++
		m.high, m.silent = m.low, !j.facts.Survivor.Proven
	default:
		if m.unproven == "" {
			m.unproven = because("the slots were not checked", slot.Why)
		}
	}
	return m
}

func (j *judge) diverged() measure {
	m := j.ofRows(float64(j.res.Counts[CapturedLost]))
	if !j.res.Capture.Complete {
		m.bounded, m.unproven = false, because("the stream was not followed to its end", j.res.Capture.Why)
	}
	return m
}
