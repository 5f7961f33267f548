// Package report shows what the judge said: one model, rendered as text for
// people and as JSON for programs. The JSON is a public contract: its keys are
// all there always, unknown values are null, and a later version may add keys
// and never renames one.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// SchemaVersion is the version of the JSON form.
const SchemaVersion = 1

// Report is the whole report of a run. Numbers that do not fit 53 bits are
// strings; LSNs are "%X/%X"; times are UTC in RFC 3339 with milliseconds, and
// fields that end in ms count milliseconds from the start of the run.
type Report struct {
	SchemaVersion int    `json:"schema_version"`
	Tool          Tool   `json:"tool"`
	Run           Run    `json:"run"`
	Verdict       string `json:"verdict"`
	// Stopped says that judging came to no end: all counts are of what was
	// looked at until then.
	Stopped    bool        `json:"stopped"`
	Reasons    []string    `json:"reasons"`
	Unproven   []string    `json:"unproven"`
	Objectives []Objective `json:"objectives"`
	Attempts   Attempts    `json:"attempts"`
	RPO        RPO         `json:"rpo"`
	Witnesses  Witnesses   `json:"witnesses"`
	Capture    Capture     `json:"capture"`
	RTO        RTO         `json:"rto"`
	Splits     []Split     `json:"split_brain"`
	Slots      []Slot      `json:"slots"`
	Branches   []Branch    `json:"branches"`
	Nodes      []Node      `json:"nodes"`
	// Payload is "checked" or "not checked".
	Payload  string    `json:"payload"`
	Findings []Finding `json:"findings"`
	// Dir is where the files of the run are; for people only.
	Dir string `json:"-"`
}

// Tool names what made the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Run names the run.
type Run struct {
	ID         string  `json:"id"`
	Seed       string  `json:"seed"`
	StartedAt  *string `json:"started_at"`
	FinishedAt *string `json:"finished_at"`
	Workers    int     `json:"workers"`
	Drivers    int     `json:"drivers"`
	FaultsSeen int     `json:"faults_seen"`
}

// Objective is one promise. One that was not asked for has neither limit nor
// verdict.
type Objective struct {
	Name     string   `json:"name"`
	Limit    *float64 `json:"limit"`
	Measured *float64 `json:"measured"`
	Verdict  *string  `json:"verdict"`
	Why      *string  `json:"why"`
}

// Attempts counts the attempts; sent is acked, acked_unreplicated, failed and
// in_doubt together.
type Attempts struct {
	Sent         int64   `json:"sent"`
	Acked        int64   `json:"acked"`
	Unreplicated int64   `json:"acked_unreplicated"`
	Failed       int64   `json:"failed"`
	InDoubt      InDoubt `json:"in_doubt"`
	NotSent      int64   `json:"not_sent"`
	AccountLost  int64   `json:"account_lost"`
}

// InDoubt tells what became of the attempts in doubt.
type InDoubt struct {
	Total      int64 `json:"total"`
	Committed  int64 `json:"committed"`
	RolledBack int64 `json:"rolled_back"`
	Unresolved int64 `json:"unresolved"`
}

// RPO is what was lost.
type RPO struct {
	Transactions int64        `json:"transactions"`
	Restored     int64        `json:"restored"`
	Rows         int64        `json:"rows"`
	Inserts      int64        `json:"inserts"`
	Updates      int64        `json:"updates"`
	Deletes      int64        `json:"deletes"`
	PayloadBytes int64        `json:"payload_bytes"`
	WALBytes     WALBytes     `json:"wal_bytes"`
	Seconds      float64      `json:"seconds"`
	Unreplicated Unreplicated `json:"unreplicated"`
	FirstLost    *Attempt     `json:"first_lost"`
	LastLost     *Attempt     `json:"last_lost"`
}

// WALBytes bounds the lost part of the log.
type WALBytes struct {
	Min   *int64  `json:"min"`
	Max   *int64  `json:"max"`
	Exact bool    `json:"exact"`
	Why   *string `json:"why"`
}

// Unreplicated counts what was lost of the acks with the warning.
type Unreplicated struct {
	Transactions int64 `json:"transactions"`
	Rows         int64 `json:"rows"`
}

// Attempt is all that is known of one attempt.
type Attempt struct {
	Worker     int32   `json:"worker"`
	Seq        int64   `json:"seq"`
	Xid        *string `json:"xid"`
	Timeline   *uint32 `json:"timeline"`
	LSN        *pg.LSN `json:"lsn"`
	LSNMin     *pg.LSN `json:"lsn_min"`
	LSNMax     *pg.LSN `json:"lsn_max"`
	WALSegment *string `json:"wal_segment"`
	AckedAt    *string `json:"acked_at"`
}

// Sample is one attempt of a class of findings, with what is wrong with it. Row
// is the key that is wrong, null for a finding of a whole transaction.
type Sample struct {
	Attempt
	Row  *int64 `json:"row"`
	Text string `json:"text"`
}

// Witnesses are what each witness says of the acked attempts.
type Witnesses struct {
	Rows          Witness `json:"rows"`
	Log           Witness `json:"log"`
	ClientLSN     Witness `json:"client_lsn"`
	Disagreements int64   `json:"disagreements"`
	Agree         bool    `json:"agree"`
}

// Witness counts the words of one witness; silent_of_lost is how many of the
// attempts lost by their rows it is silent of.
type Witness struct {
	Heard        bool    `json:"heard"`
	Survives     int64   `json:"survives"`
	Lost         int64   `json:"lost"`
	Silent       int64   `json:"silent"`
	SilentOfLost int64   `json:"silent_of_lost"`
	Why          *string `json:"why"`
}

// Capture is what the stream showed.
type Capture struct {
	Transactions  int64   `json:"transactions"`
	Changes       int64   `json:"changes"`
	Duplicates    int64   `json:"duplicates"`
	CapturedLost  int64   `json:"captured_lost"`
	BeforeCapture int64   `json:"before_capture"`
	Complete      bool    `json:"complete"`
	Why           *string `json:"why"`
	Gaps          []Gap   `json:"gaps"`
	Unexplained   int64   `json:"unexplained"`
}

// Gap is a stretch that the stream cannot have shown.
type Gap struct {
	Branch       int32   `json:"branch"`
	Timeline     *uint32 `json:"timeline"`
	From         *pg.LSN `json:"from"`
	To           *pg.LSN `json:"to"`
	Transactions int64   `json:"transactions"`
	Reason       string  `json:"reason"`
}

// RTO is for how long nobody could write.
type RTO struct {
	ThresholdMS  int64    `json:"outage_threshold_ms"`
	Outages      []Outage `json:"outages"`
	WriteMS      WriteMS  `json:"write_ms"`
	Errors       Errors   `json:"errors"`
	TesterStalls []Stall  `json:"tester_stalls"`
}

// Outage is one outage; ended_ms is null while no ack came after it.
type Outage struct {
	StartedMS  int64            `json:"started_ms"`
	EndedMS    *int64           `json:"ended_ms"`
	DurationMS int64            `json:"duration_ms"`
	Phases     map[string]int64 `json:"phases"`
}

// WriteMS is the worst outage, over all and by worker.
type WriteMS struct {
	Global    int64 `json:"global"`
	WorkerP50 int64 `json:"worker_p50"`
	WorkerP90 int64 `json:"worker_p90"`
	WorkerP99 int64 `json:"worker_p99"`
	WorkerMax int64 `json:"worker_max"`
}

// Errors counts what the writers met, by kind.
type Errors struct {
	Refused            int64 `json:"refused"`
	Reset              int64 `json:"reset"`
	Timeout            int64 `json:"timeout"`
	ReadOnly           int64 `json:"read_only"`
	StartingUp         int64 `json:"starting_up"`
	ShuttingDown       int64 `json:"shutting_down"`
	TooManyConnections int64 `json:"too_many_connections"`
	Other              int64 `json:"other"`
}

// Stall is a stretch in which the tester itself did not run as it should.
type Stall struct {
	StartedMS int64  `json:"started_ms"`
	EndedMS   int64  `json:"ended_ms"`
	Cause     string `json:"cause"`
}

// Slot is the verdict on one slot.
type Slot struct {
	Name    string         `json:"name"`
	Node    string         `json:"node"`
	Verdict string         `json:"verdict"`
	Also    []string       `json:"also"`
	Reason  string         `json:"reason"`
	Before  map[string]any `json:"before"`
	After   map[string]any `json:"after"`
}

// Branch is one continuous log.
type Branch struct {
	Branch   int32   `json:"branch"`
	SystemID string  `json:"system_id"`
	Timeline uint32  `json:"timeline"`
	Parent   *int32  `json:"parent"`
	ForkLSN  *pg.LSN `json:"fork_lsn"`
	Reason   string  `json:"reason"`
}

// Node is one server.
type Node struct {
	Name          string  `json:"name"`
	Role          string  `json:"role"`
	Survivor      bool    `json:"survivor"`
	Branch        *int32  `json:"branch"`
	Timeline      *uint32 `json:"timeline"`
	ServerVersion string  `json:"server_version"`
	LSN           *pg.LSN `json:"lsn"`
}

// Finding is one class with what was found of it; breaks says that the class
// made this run breached. The sample is capped, the count is not.
type Finding struct {
	Class  string   `json:"class"`
	Count  int64    `json:"count"`
	Breaks bool     `json:"breaks"`
	Sample []Sample `json:"sample"`
}

// JSON writes the report, indented, with a line end.
func (r Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write report as JSON: %w", err)
	}
	return nil
}
