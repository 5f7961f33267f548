package verdict

import (
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// findingLine is a finding as a directory of evidence keeps it. What is not known
// is left out, so that a member that a later version adds changes no line that
// has nothing to say of it. LSNs are %X/%X, times UTC.
type findingLine struct {
	Class        string      `json:"class"`
	Run          txn.Run     `json:"run"`
	Worker       txn.Worker  `json:"worker"`
	Seq          txn.Seq     `json:"seq"`
	Row          txn.RowID   `json:"row,omitzero"`
	Account      string      `json:"account"`
	Branch       pg.BranchID `json:"branch,omitzero"`
	Timeline     pg.Timeline `json:"timeline,omitzero"`
	Xid          pg.Xid      `json:"xid,omitzero"`
	LSN          pg.LSN      `json:"lsn,omitzero"`
	Min          pg.LSN      `json:"lsn_min,omitzero"`
	Max          pg.LSN      `json:"lsn_max,omitzero"`
	AckedAt      time.Time   `json:"acked_at,omitzero"`
	Inserts      int64       `json:"inserts,omitzero"`
	Updates      int64       `json:"updates,omitzero"`
	Deletes      int64       `json:"deletes,omitzero"`
	PayloadBytes int64       `json:"payload_bytes,omitzero"`
	Text         string      `json:"text,omitzero"`
}

// lineOf is a finding as its line.
func lineOf(f compare.Finding) findingLine {
	l := findingLine{
		Class: f.Class.String(), Run: f.Run, Worker: f.Worker, Seq: f.Seq, Row: f.Row, Account: accountName(f.Account),
		Branch: f.Branch, Timeline: f.Timeline, Xid: f.Xid, LSN: f.LSN, Min: f.Min, Max: f.Max,
		Inserts: f.Ops.Inserts, Updates: f.Ops.Updates, Deletes: f.Ops.Deletes, PayloadBytes: f.Ops.PayloadBytes,
		Text: f.Text,
	}
	if !f.AckedAt.IsZero() {
		l.AckedAt = f.AckedAt.UTC()
	}
	return l
}

// accountName names what the client knew.
func accountName(a compare.Account) string {
	switch a {
	case compare.NoEntry:
		return "no_entry"
	case compare.NeverSent:
		return "never_sent"
	default:
		return txn.Outcome(a).String()
	}
}
