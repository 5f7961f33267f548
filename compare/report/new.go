package report

import (
	"strconv"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Meta is what a report tells beside what was judged. Zero times are unknown.
type Meta struct {
	Version           string
	Started, Finished time.Time
	Nodes             []Node
	Dir               string
}

// RunID is how a run is shown: its start in UTC.
func RunID(run txn.Run) string {
	return time.Unix(int64(run), 0).UTC().Format("20060102-150405")
}

// New makes the report of a judged run.
func New(m Meta, c compare.Case, f compare.Facts, r compare.Result) Report {
	zero := m.Started
	if zero.IsZero() {
		zero = time.Unix(int64(c.Run), 0)
	}
	b := builder{c: c, f: f, r: r, zero: zero}
	payload := "not checked"
	if r.PayloadChecked {
		payload = "checked"
	}
	return Report{
		SchemaVersion: SchemaVersion,
		Tool:          Tool{Name: "pgrpo", Version: m.Version},
		Run: Run{
			ID: RunID(c.Run), Seed: strconv.FormatUint(c.Seed, 10),
			StartedAt: stamp(m.Started), FinishedAt: stamp(m.Finished),
			Workers: len(f.Reserves), Drivers: len(f.Drivers), FaultsSeen: r.FaultsSeen,
		},
		Verdict: r.Verdict.String(), Stopped: r.Stopped, Reasons: list(r.Reasons), Unproven: list(r.Unproven),
		Objectives: b.objectives(), Attempts: b.attempts(), RPO: b.rpo(),
		Witnesses: Witnesses{
			Rows: witness(r.Witnesses.Rows), Log: witness(r.Witnesses.Log), ClientLSN: witness(r.Witnesses.ClientLSN),
			Disagreements: r.Witnesses.Disagreements, Agree: r.Witnesses.Disagreements == 0,
		},
		Capture: b.capture(), RTO: b.rto(), Splits: b.splits(), Slots: []Slot{},
		Branches: b.branches(), Nodes: list(m.Nodes),
		Payload: payload, Findings: b.findings(), Dir: m.Dir,
	}
}

type builder struct {
	c    compare.Case
	f    compare.Facts
	r    compare.Result
	zero time.Time
}

func (b builder) objectives() []Objective {
	all := []Objective{}
	for _, o := range b.r.Objectives {
		shown := Objective{Name: o.Name, Why: text(o.Why)}
		if o.Known {
			shown.Measured = &o.Measured
		}
		if o.Asked {
			verdict := o.Verdict.String()
			shown.Limit, shown.Verdict = &o.Limit, &verdict
		}
		all = append(all, shown)
	}
	return all
}

func (b builder) attempts() Attempts {
	a := b.r.Attempts
	return Attempts{
		Sent: a.Sent, Acked: a.Acked, Unreplicated: a.Unreplicated, Failed: a.Failed,
		InDoubt: InDoubt(a.InDoubt), NotSent: a.NotSent, AccountLost: a.AccountLost,
	}
}

func (b builder) rpo() RPO {
	r := b.r.RPO
	wal := WALBytes{Exact: r.WAL.Exact(), Why: text(r.WAL.Why)}
	if r.WAL.MinKnown {
		wal.Min = &r.WAL.Min
	}
	if r.WAL.MaxKnown {
		wal.Max = &r.WAL.Max
	}
	shown := RPO{
		Transactions: r.Transactions, Restored: r.Restored, Rows: r.Ops.Rows(),
		Inserts: r.Ops.Inserts, Updates: r.Ops.Updates, Deletes: r.Ops.Deletes,
		PayloadBytes: r.Ops.PayloadBytes, WALBytes: wal, Seconds: r.Span.Seconds(),
		Unreplicated: Unreplicated{Transactions: r.Unreplicated, Rows: r.UnreplicatedOps.Rows()},
	}
	if r.First != nil {
		first, last := b.attempt(*r.First), b.attempt(*r.Last)
		shown.FirstLost, shown.LastLost = &first, &last
	}
	return shown
}

func (b builder) attempt(f compare.Finding) Attempt {
	a := Attempt{
		Worker: int32(f.Worker), Seq: int64(f.Seq), Timeline: timeline(f.Timeline),
		LSN: lsn(f.LSN), LSNMin: lsn(f.Min), LSNMax: lsn(f.Max), AckedAt: stamp(f.AckedAt),
	}
	if f.Xid != 0 {
		xid := strconv.FormatUint(uint64(f.Xid), 10)
		a.Xid = &xid
	}
	at := f.LSN
	if at == 0 {
		at = f.Min
	}
	if at != 0 && f.Timeline != 0 && b.c.SegmentBytes != 0 {
		segment := pg.SegmentName(f.Timeline, at, b.c.SegmentBytes)
		a.WALSegment = &segment
	}
	return a
}

func witness(w compare.Witness) Witness {
	return Witness{
		Heard: w.Heard, Survives: w.Survives, Lost: w.Lost, Silent: w.Silent,
		SilentOfLost: w.SilentOfLost, Why: text(w.Why),
	}
}

func (b builder) capture() Capture {
	c := b.r.Capture
	gaps := []Gap{}
	for _, g := range c.Gaps {
		gaps = append(gaps, Gap{
			Branch: int32(g.Branch), Timeline: timeline(g.Timeline), From: lsn(g.From), To: lsn(g.To),
			Transactions: g.Transactions, Reason: g.Reason,
		})
	}
	return Capture{
		Transactions: c.Transactions, Changes: c.Changes, Duplicates: c.Duplicates, CapturedLost: c.Lost,
		BeforeCapture: c.Before, Complete: c.Complete, Why: text(c.Why), Gaps: gaps, Unexplained: c.Unexplained,
	}
}

func (b builder) rto() RTO {
	t := b.r.RTO
	threshold := b.c.OutageThreshold
	if threshold <= 0 {
		threshold = compare.DefaultOutageThreshold
	}
	shown := RTO{
		ThresholdMS: threshold.Milliseconds(),
		Outages:     []Outage{}, TesterStalls: []Stall{}, Errors: Errors(t.Errors),
		WriteMS: WriteMS{
			Global: t.Worst.Global.Milliseconds(), WorkerP50: t.Worst.P50.Milliseconds(), WorkerP90: t.Worst.P90.Milliseconds(),
			WorkerP99: t.Worst.P99.Milliseconds(), WorkerMax: t.Worst.Max.Milliseconds(),
		},
	}
	for _, o := range t.Outages {
		outage := Outage{StartedMS: b.since(o.From), DurationMS: o.Duration().Milliseconds(), Phases: map[string]int64{}}
		if !o.Open {
			ended := b.since(o.To)
			outage.EndedMS = &ended
		}
		shown.Outages = append(shown.Outages, outage)
	}
	for _, s := range t.Stalls {
		shown.TesterStalls = append(shown.TesterStalls, Stall{StartedMS: b.since(s.From), EndedMS: b.since(s.To), Cause: s.Cause})
	}
	return shown
}

func (b builder) since(t time.Time) int64 { return t.Sub(b.zero).Milliseconds() }

func (b builder) branches() []Branch {
	all := []Branch{}
	for _, branch := range b.f.Branches {
		shown := Branch{
			Branch: int32(branch.ID), SystemID: branch.System.String(), Timeline: uint32(branch.Timeline), Reason: branch.Reason,
		}
		if branch.Parent != 0 {
			parent := int32(branch.Parent)
			shown.Parent, shown.ForkLSN = &parent, lsn(branch.Fork)
		}
		all = append(all, shown)
	}
	return all
}

func (b builder) findings() []Finding {
	all := []Finding{}
	for class, n := range b.r.Counts {
		if n == 0 {
			continue
		}
		f := Finding{Class: compare.Class(class).String(), Count: n, Breaks: b.r.Breaks[class], Sample: []Sample{}}
		for _, s := range b.r.Samples[class] {
			f.Sample = append(f.Sample, Sample{Attempt: b.attempt(s), Row: key(s.Row), Text: s.Text})
		}
		all = append(all, f)
	}
	return all
}

// list makes a nil list an empty one, so that JSON shows it as such.
func list[T any](all []T) []T { return append([]T{}, all...) }

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lsn(l pg.LSN) *pg.LSN {
	if l == 0 {
		return nil
	}
	return &l
}

func key(row txn.RowID) *int64 {
	if row == 0 {
		return nil
	}
	v := int64(row)
	return &v
}

func timeline(t pg.Timeline) *uint32 {
	if t == 0 {
		return nil
	}
	v := uint32(t)
	return &v
}

func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &s
}
