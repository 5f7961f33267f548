package txn

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/pg"
	"pgregory.net/rapid"
)

func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Entry{
			LSN:     pg.LSN(rapid.Uint64().Draw(t, "lsn")),
			Sent:    time.Duration(rapid.Int64Min(0).Draw(t, "sent")),
			Took:    time.Duration(rapid.Int64Min(0).Draw(t, "took")),
			Late:    time.Duration(rapid.Uint32().Draw(t, "late")) * time.Microsecond,
			Xid:     pg.Xid(rapid.Uint32().Draw(t, "xid")),
			Conn:    Conn(rapid.Uint32().Draw(t, "conn")),
			State:   StateOf(rapid.StringMatching(`[0-9A-Z]{5}|`).Draw(t, "state")),
			Outcome: Outcome(rapid.Uint8Max(uint8(Failed)).Draw(t, "outcome")),
			Phase:   Phase(rapid.Uint8().Draw(t, "phase")),
			Fault:   Fault(rapid.Uint8().Draw(t, "fault")),
		}
		b := want.Append(nil)
		if len(b) != EntryBytes {
			t.Fatalf("%d bytes", len(b))
		}
		var got Entry
		if err := got.Decode(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestEntryRefusesUnknownOutcome(t *testing.T) {
	b := Entry{}.Append(nil)
	b[41] = byte(Failed) + 1
	if err := new(Entry).Decode(b); err == nil {
		t.Error("an unknown outcome was decoded")
	}
	if err := new(Entry).Decode(b[:43]); err == nil {
		t.Error("a short entry was decoded")
	}
}

// The zero value of an outcome promises nothing.
func TestZeroOutcomeIsInDoubt(t *testing.T) {
	if o := (Entry{}).Outcome; o != InDoubt || o.IsAck() {
		t.Error(o)
	}
}

// Each input of the checksum changes it; the binary form is a contract, so one
// value is pinned.
func TestSum(t *testing.T) {
	id := ID{1795194121, 3, 42}
	base := SumOf(id, 7, Update, []byte("payload"))
	if base != pinnedSum {
		t.Errorf("SumOf = %d, want %d: the binary form has changed", base, pinnedSum)
	}
	for name, other := range map[string]Sum{
		"run":     SumOf(ID{1, 3, 42}, 7, Update, []byte("payload")),
		"worker":  SumOf(ID{1795194121, 4, 42}, 7, Update, []byte("payload")),
		"seq":     SumOf(ID{1795194121, 3, 43}, 7, Update, []byte("payload")),
		"row":     SumOf(id, 8, Update, []byte("payload")),
		"kind":    SumOf(id, 7, Insert, []byte("payload")),
		"payload": SumOf(id, 7, Update, []byte("paxload")),
	} {
		if other == base {
			t.Errorf("%s is not part of the checksum", name)
		}
	}
}

func TestPayload(t *testing.T) {
	id := ID{9, 3, 42}
	a := AppendPayload(nil, 1, id, 7, 64)
	if string(a) != string(AppendPayload(nil, 1, id, 7, 64)) || len(a) != 64 {
		t.Errorf("payload %q", a)
	}
	for _, b := range [][]byte{
		AppendPayload(nil, 2, id, 7, 64), AppendPayload(nil, 1, ID{9, 4, 42}, 7, 64),
		AppendPayload(nil, 1, ID{9, 3, 43}, 7, 64), AppendPayload(nil, 1, id, 8, 64),
	} {
		if string(a) == string(b) {
			t.Error("two inputs gave one payload")
		}
	}
	for _, c := range a {
		if c < ' ' || c > '~' {
			t.Errorf("byte %d is not printable", c)
		}
	}
}

func BenchmarkEntryAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, EntryBytes)
	e := Entry{LSN: 1 << 40, Sent: time.Second, Took: time.Millisecond}
	for b.Loop() {
		buf = e.Append(buf[:0])
	}
}

func TestEntryAppendDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, EntryBytes)
	if n := testing.AllocsPerRun(100, func() { buf = Entry{}.Append(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSumAndPayload(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 128)
	id := ID{9, 3, 42}
	for b.Loop() {
		buf = AppendPayload(buf[:0], 1, id, 7, 100)
		_ = SumOf(id, 7, Insert, buf)
	}
}

// pinnedSum is the CRC-32C of 097d006b030000002a00000000000000070000000000000002
// and the payload, as an independent computation gives it.
const pinnedSum Sum = -1370272250
