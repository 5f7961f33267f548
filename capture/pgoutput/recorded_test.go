package pgoutput_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// record is one message as a server sent it.
type record struct {
	lsn  string
	data []byte
}

// recordings names the files that hold the output of real servers for the
// statements in testdata/recorded.sql.
func recordings() []string {
	return []string{"postgresql-15-text", "postgresql-15-binary", "postgresql-18-text", "postgresql-18-binary"}
}

func readRecording(t testing.TB, name string) []record {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	for line := range strings.Lines(string(file)) {
		lsn, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		data, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		records = append(records, record{lsn, data})
	}
	return records
}

// TestRecorded reads what servers sent for known statements: the kinds must come
// in the order of the statements, and pglogrepl must agree on each message.
func TestRecorded(t *testing.T) {
	const want = "BYRIIRIC" + "BUUUDDC" + "BRIC" + "BMC" + "M" + "BOIC" + "BYRRTC"
	for _, name := range recordings() {
		t.Run(name, func(t *testing.T) {
			var m pgoutput.Message
			var final pg.LSN
			var kinds []byte
			for _, r := range readRecording(t, name) {
				if err := m.Parse(r.data); err != nil {
					t.Fatalf("at %s: %v", r.lsn, err)
				}
				reference, err := reference(r.data)
				if err != nil {
					t.Fatalf("pglogrepl at %s: %v", r.lsn, err)
				}
				if diff := differences(reference, &m); diff != "" {
					t.Errorf("%s differs (-pglogrepl +pgoutput):\n%s", r.lsn, diff)
				}
				kinds = append(kinds, byte(m.Kind))
				switch m.Kind {
				case pgoutput.KindBegin:
					final = m.Begin.FinalLSN
				case pgoutput.KindCommit:
					if m.Commit.LSN != final || m.Commit.EndLSN <= final {
						t.Errorf("commit from %d to %d, begin said %d", m.Commit.LSN, m.Commit.EndLSN, final)
					}
				}
			}
			if diff := cmp.Diff(want, string(kinds)); diff != "" {
				t.Errorf("kinds differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecordedValues looks at the values of single messages: the first row of the
// table ledger, the change of its key, and what a large value left alone became.
func TestRecordedValues(t *testing.T) {
	const firstInsert, firstUpdate, keyUpdate, logical = 3, 9, 10, 20
	for _, name := range recordings() {
		t.Run(name, func(t *testing.T) {
			records := readRecording(t, name)
			var m pgoutput.Message
			parse := func(i int) {
				t.Helper()
				if err := m.Parse(records[i].data); err != nil {
					t.Fatal(err)
				}
			}
			number := func(c pgoutput.Column, want8 int64) {
				t.Helper()
				if got, err := c.Int8(); err != nil || got != want8 {
					t.Errorf("int8 %d, %v; want %d", got, err, want8)
				}
			}

			parse(firstInsert)
			row := m.Row.New
			number(row[0], 1)
			if got, err := row[1].Int4(); err != nil || got != -7 {
				t.Errorf("int4 %d, %v; want -7", got, err)
			}
			if got := string(row[2].Data) + string(row[3].Data); got != "afine" {
				t.Errorf("texts %q, want \"afine\"", got)
			}
			if got := string(row[4].Data); got != strings.Repeat("x", 2100) {
				t.Errorf("large value of %d bytes", len(got))
			}
			wantForm := pgoutput.Text
			if strings.HasSuffix(name, "binary") {
				wantForm = pgoutput.Binary
			}
			for i, c := range row {
				if c.Kind != wantForm {
					t.Errorf("column %d in %s, want %s", i, c.Kind, wantForm)
				}
			}

			parse(firstUpdate)
			if got := m.Row.New[4].Kind; got != pgoutput.Unchanged || m.Row.OldKind != 0 {
				t.Errorf("large value left alone is %s, old kind %q", got, m.Row.OldKind)
			}

			parse(keyUpdate)
			if m.Row.OldKind != pgoutput.OldKey || m.Row.Old[1].Kind != pgoutput.Null {
				t.Fatalf("change of key: old kind %q, second column %s", m.Row.OldKind, m.Row.Old[1].Kind)
			}
			number(m.Row.Old[0], 2)
			number(m.Row.New[0], 3)

			parse(logical)
			if got := string(m.Logical.Prefix) + "=" + string(m.Logical.Content); got != "pgrpo.end=run/0/nonce" || !m.Logical.Transactional {
				t.Errorf("logical message %q, transactional %t", got, m.Logical.Transactional)
			}
		})
	}
}
