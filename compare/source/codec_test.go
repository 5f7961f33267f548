package source

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func drawID(t *rapid.T) txn.ID {
	return txn.ID{Run: txn.Run(rapid.Int32().Draw(t, "run")), Worker: txn.Worker(rapid.Int32().Draw(t, "worker")), Seq: txn.Seq(rapid.Int64().Draw(t, "seq"))}
}

func drawRow(t *rapid.T) txn.Row {
	return txn.Row{
		Run: txn.Run(rapid.Int32().Draw(t, "run")), ID: txn.RowID(rapid.Int64().Draw(t, "id")),
		Seq: txn.Seq(rapid.Int64().Draw(t, "seq")), Sum: txn.Sum(rapid.Int32().Draw(t, "sum")),
	}
}

func drawCommit(t *rapid.T) txn.Commit {
	return txn.Commit{
		ID: drawID(t), Branch: pg.BranchID(rapid.Int32().Draw(t, "branch")),
		LSN: pg.LSN(rapid.Uint64().Draw(t, "lsn")), End: pg.LSN(rapid.Uint64().Draw(t, "end")),
		CommittedAt: time.Unix(rapid.Int64Range(math.MinInt32, math.MaxInt32).Draw(t, "at"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")),
		Xid:         pg.Xid(rapid.Uint32().Draw(t, "xid")), Ops: rapid.Int32().Draw(t, "ops"), Sum: txn.Sum(rapid.Int32().Draw(t, "sum")),
		Seen: rapid.Int32().Draw(t, "seen"), SeenSum: txn.Sum(rapid.Int32().Draw(t, "seenSum")),
	}
}

// roundTrip writes elements one after the other and reads them back; cut short
// anywhere, the last is an error and never another element.
func roundTrip[T any](t *rapid.T, c codec[T], want []T) {
	var b []byte
	for _, v := range want {
		b = c.append(b, v)
	}
	in := bufio.NewReader(bytes.NewReader(b))
	var buf []byte
	for i := range want {
		var err error
		if buf, err = c.next(in, buf); err != nil {
			t.Fatalf("%s %d: %v", c.kind, i, err)
		}
		got, err := c.decode(buf)
		if err != nil {
			t.Fatalf("%s %d: %v", c.kind, i, err)
		}
		if d := cmp.Diff(want[i], got); d != "" {
			t.Fatalf("%s %d (-written +read):\n%s", c.kind, i, d)
		}
	}
	if _, err := c.next(in, buf); err != io.EOF {
		t.Fatalf("%s: past the end: %v", c.kind, err)
	}
	last := len(c.append(nil, want[len(want)-1]))
	in = bufio.NewReader(bytes.NewReader(b[:len(b)-rapid.IntRange(1, last-1).Draw(t, "cut")]))
	for range len(want) - 1 {
		if _, err := c.next(in, nil); err != nil {
			t.Fatalf("%s: before the cut: %v", c.kind, err)
		}
	}
	if _, err := c.next(in, nil); err != io.ErrUnexpectedEOF {
		t.Fatalf("%s: at the cut: %v", c.kind, err)
	}
}

func TestElementsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, markerCodec(), []txn.Marker{
			{ID: drawID(t), Ops: rapid.Int32().Draw(t, "ops"), Sum: txn.Sum(rapid.Int32().Draw(t, "sum"))}, {ID: drawID(t)},
		})
		roundTrip(t, commitCodec(), []txn.Commit{drawCommit(t), {}, drawCommit(t)})
		roundTrip(t, rowCodec(), []txn.Row{drawRow(t), drawRow(t)})
		payload := rapid.SliceOfN(rapid.Byte(), 0, 100)
		full := []txn.Content{
			{Row: drawRow(t), Payload: payload.Draw(t, "payload")}, {Row: drawRow(t), Payload: []byte{}},
			{Row: drawRow(t), Payload: payload.Draw(t, "payload")},
		}
		roundTrip(t, contentCodec(), full)
		roundTrip(t, entryCodec(), []txn.Entry{{LSN: pg.LSN(rapid.Uint64().Draw(t, "lsn")), State: txn.StateOf("40001"), Outcome: txn.Failed, Conn: 1<<32 - 1}, {}})
	})
}
