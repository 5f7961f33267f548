// Package salvage writes the lost attempts of a run as SQL for the survivor. Nothing
// is read from a dead server's tables: what an attempt wrote is a function of the
// run's plan and seed. The package is pure.
package salvage

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Attempt is a lost attempt with its operations. Place says where it was committed,
// for people.
type Attempt struct {
	txn.Attempt
	Place string
}

// Script is what is to be brought back, in the order of the commits.
type Script struct {
	// Run is the run's name, Source where the attempts are known from, and Fork
	// where the survivor left them, in words for the header.
	Run, Source, Fork string
	Seed              uint64
	PayloadBytes      int
	Attempts          []Attempt
}

// Write writes the script. Each attempt is one transaction, which does nothing where
// the attempt is there already, and of which each statement leaves alone what is newer
// than the attempt knew. It notes in pgrpo.restored what it brought back, so that the
// judge does not take it for what never was lost.
func (s Script) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	rows := 0
	for _, a := range s.Attempts {
		rows += len(a.Ops)
	}
	fmt.Fprintf(w, `-- pgrpo salvage of run %s
-- lost transactions: %d, row changes: %d, known from %s
-- %s
--
-- Apply it to the survivor, with psql -v ON_ERROR_STOP=1 -f FILE. Each transaction is
-- made again from the plan and seed of the run. It does nothing where the
-- transaction is there already. An insert whose row is there, and an update or
-- delete of a row that is no longer the version which it had to find, are left out:
-- nothing newer is overwritten. It may be applied again. The table pgrpo.restored
-- keeps what was brought back; pgrpo compare %[1]s counts that as lost and restored.

set client_encoding to 'UTF8';
create table if not exists pgrpo.restored (
  seq bigint not null,
  run integer not null,
  worker integer not null,
  restored_at timestamptz not null default clock_timestamp(),
  primary key (run, worker, seq)
);
`, oneLine(s.Run), len(s.Attempts), rows, oneLine(s.Source), oneLine(s.Fork))
	for _, a := range s.Attempts {
		s.attempt(w, a)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write salvage: %w", err)
	}
	return nil
}

// oneLine keeps words within their comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}

// attempt writes one transaction. Payloads are of letters, digits, - and _ alone, so
// that they need no quoting.
func (s Script) attempt(w *bufio.Writer, a Attempt) {
	table := "pgrpo." + txn.TableOf(a.Worker)
	var whole txn.Sum
	var body strings.Builder
	for _, op := range a.Ops {
		var payload []byte
		if op.Kind != txn.Delete {
			payload = txn.AppendPayload(nil, s.Seed, a.ID, op.ID, s.PayloadBytes)
		}
		sum := txn.SumOf(a.ID, op.ID, op.Kind, payload)
		whole ^= sum
		switch op.Kind {
		case txn.Insert:
			fmt.Fprintf(&body, "  insert into %s (id, seq, run, crc, payload) values (%d, %d, %d, %d, '%s') on conflict do nothing;\n",
				table, op.ID, a.Seq, a.Run, int32(sum), payload)
		case txn.Update:
			fmt.Fprintf(&body, "  update %s set seq = %d, crc = %d, payload = '%s' where %s;\n", table, a.Seq, int32(sum), payload, s.found(a, op))
		case txn.Delete:
			fmt.Fprintf(&body, "  delete from %s where %s;\n", table, s.found(a, op))
		}
	}
	fmt.Fprintf(w, `
-- %[1]s, %[2]s
begin;
do $salvage$ begin
  insert into pgrpo.marker (seq, run, worker, ops, crc) values (%[3]d, %[4]d, %[5]d, %[6]d, %[7]d) on conflict do nothing;
  if not found then return; end if;
  insert into pgrpo.restored (seq, run, worker) values (%[3]d, %[4]d, %[5]d) on conflict do nothing;
%[8]send $salvage$;
commit;
`, a.ID, oneLine(a.Place), a.Seq, a.Run, a.Worker, len(a.Ops), int32(whole), body.String())
}

// found is the condition for a row that is what the operation had to find, in all of
// its content: a row that somebody changed by hand has still the seq of that version.
func (s Script) found(a Attempt, op txn.Op) string {
	version := a.ID
	version.Seq = op.Expect
	return fmt.Sprintf("run = %d and id = %d and seq = %d and payload = '%s'", a.Run, op.ID, op.Expect,
		txn.AppendPayload(nil, s.Seed, version, op.ID, s.PayloadBytes))
}
