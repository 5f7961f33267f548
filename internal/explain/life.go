package explain

import (
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Life is the life of one attempt. As JSON its keys are all there always, and
// unknown values are null; LSNs are "%X/%X", times UTC in RFC 3339 with
// milliseconds; a later version may add keys and never renames one.
type Life struct {
	Worker  txn.Worker `json:"worker"`
	Seq     txn.Seq    `json:"seq"`
	Planned []Op       `json:"planned"`
	// Unplanned says why the operations are not known.
	Unplanned *string `json:"unplanned"`
	// Outcome is one of the ledger's, or no_entry.
	Outcome  string  `json:"outcome"`
	Phase    *string `json:"phase"`
	Fault    *string `json:"fault"`
	SQLState *string `json:"sqlstate"`
	SentAt   *string `json:"sent_at"`
	EndedAt  *string `json:"ended_at"`
	// Xid is what the client was told.
	Xid    *string `json:"xid"`
	Server *Server `json:"server"`
	// Captured is empty where the stream did not show it; Uncaptured says why.
	Captured   []Capture `json:"captured"`
	Uncaptured *string   `json:"not_captured"`
	// Records are where its commit record is, or may be.
	Records  []Record  `json:"records"`
	Nodes    []NodeRow `json:"nodes"`
	Findings []Finding `json:"findings"`
	Unseen   []string  `json:"unseen"`
	Sentence string    `json:"sentence"`
}

// Op is one planned operation.
type Op struct {
	Kind string    `json:"kind"`
	Row  txn.RowID `json:"row"`
	// Expect is the seq of the version that it had to find; null for an insert.
	Expect *txn.Seq `json:"expect_seq"`
}

// Server is the server process that the attempt was sent to.
type Server struct {
	Address    string       `json:"address"`
	StartedAt  *string      `json:"started_at"`
	Timeline   *pg.Timeline `json:"timeline"`
	Branch     *pg.BranchID `json:"branch"`
	System     string       `json:"system_id"`
	Backend    int32        `json:"backend_pid"`
	Version    string       `json:"server_version"`
	SyncCommit string       `json:"synchronous_commit"`
}

// Capture is one delivery of the attempt by the stream.
type Capture struct {
	Branch   pg.BranchID `json:"branch"`
	Timeline pg.Timeline `json:"timeline"`
	LSN      pg.LSN      `json:"lsn"`
	End      pg.LSN      `json:"end_lsn"`
	// CommittedAt is the server's time of the commit.
	CommittedAt string `json:"committed_at"`
	Xid         string `json:"xid"`
	// Changes came, of the Promised that its marker names.
	Changes  int32 `json:"changes"`
	Promised int32 `json:"promised"`
}

// NodeRow is a node with the look for the marker in words.
type NodeRow struct {
	Node
	Look string `json:"marker"`
}

// Of tells the life.
func Of(f Facts) Life {
	l := Life{
		Worker: f.Worker, Seq: f.Seq, Outcome: outcome(f.Account), Unplanned: known(f.Unplanned),
		Planned: []Op{}, Captured: []Capture{}, Nodes: []NodeRow{},
		Findings: append([]Finding{}, f.Findings...), Unseen: append([]string{}, f.Unseen...),
	}
	for _, op := range f.Ops {
		l.Planned = append(l.Planned, Op{op.Kind.String(), op.ID, known(op.Expect)})
	}
	if f.Account <= compare.Failed {
		l.told(f)
	}
	for _, c := range f.Commits {
		b, _ := f.Branches.Of(c.Branch)
		l.Captured = append(l.Captured, Capture{
			Branch: c.Branch, Timeline: b.Timeline, LSN: c.LSN, End: c.End, CommittedAt: Stamp(c.CommittedAt),
			Xid: fmt.Sprint(c.Xid), Changes: c.Seen, Promised: c.Ops,
		})
	}
	if len(f.Commits) == 0 {
		l.Uncaptured = known(f.uncaptured())
	}
	l.Records = f.records()
	for _, n := range f.Nodes {
		l.Nodes = append(l.Nodes, NodeRow{n, n.Marker.String()})
	}
	l.Sentence = f.sentence()
	return l
}

// told fills what the ledger's entry tells.
func (l *Life) told(f Facts) {
	e := f.Entry
	l.Phase, l.SQLState, l.Xid = known(e.Phase.String()), known(e.State.String()), number(e.Xid)
	if e.Fault != txn.NoFault {
		l.Fault = known(e.Fault.String())
	}
	sent, ended := Stamp(f.Started.Add(e.Sent)), Stamp(f.Started.Add(e.End()))
	l.SentAt, l.EndedAt = &sent, &ended
	if c := f.Server; c != nil {
		l.Server = &Server{
			Address: c.Address, Timeline: known(c.Timeline), Branch: known(f.Branch), System: c.System.String(),
			Backend: c.Backend, Version: c.Version, SyncCommit: c.SyncCommit,
		}
		if c.Start != 0 {
			l.Server.StartedAt = known(Stamp(time.UnixMicro(int64(c.Start))))
		}
	}
}

// outcome names what the client knew.
func outcome(a compare.Account) string {
	if a > compare.Failed {
		return "no_entry"
	}
	return txn.Outcome(a).String()
}

// Stamp is a time in the form that the lives tell it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// known is nil for the zero value.
func known[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func number(x pg.Xid) *string {
	if x == 0 {
		return nil
	}
	return known(fmt.Sprint(x))
}
