package capture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var ignoreTime = cmpopts.IgnoreFields(txn.Commit{}, "CommittedAt")

func sums(id txn.ID, changes ...txn.Change) (sum txn.Sum) {
	for _, c := range changes {
		sum ^= c.Sum
	}
	return sum
}

func change(of txn.ID, row txn.RowID, kind txn.Kind, payload string, index int32, lsn pg.LSN, xid pg.Xid) txn.Change {
	return txn.Change{ID: of, Row: row, LSN: lsn, Xid: xid, Index: index, Kind: kind, Sum: txn.SumOf(of, row, kind, []byte(payload))}
}

func TestAssemble(t *testing.T) {
	one := id(1, 5)
	changes := []txn.Change{
		change(one, 10, txn.Insert, "a", 0, 1000, 50), change(one, 9, txn.Update, "b", 1, 1000, 50), change(one, 8, txn.Delete, "", 2, 1000, 50),
	}
	promised := txn.Marker{ID: one, Ops: 3, Sum: sums(one, changes...)}
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1000, 50), markerRow(promised),
		rowOf(one, 10, txn.Insert, "a"), rowOf(one, 9, txn.Update, "b"), rowOf(one, 8, txn.Delete, ""), commit(1000, 1040))
	want := []txn.Commit{{ID: one, Branch: 3, LSN: 1000, End: 1040, Xid: 50, Ops: 3, Sum: promised.Sum, Seen: 3, SeenSum: promised.Sum}}
	if d := cmp.Diff(want, b.Commits, ignoreTime); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(changes, b.Changes); d != "" {
		t.Error(d)
	}
	if b.End != 1040 || len(b.Events) != 0 || a.Under() {
		t.Errorf("end %v, events %v, under %v", b.End, b.Events, a.Under())
	}
}

func TestAssembleWhatIsNotOurs(t *testing.T) {
	mine, other := id(1, 5), txn.ID{Run: testRun + 1, Worker: 1, Seq: 5}
	for _, tc := range []struct {
		name    string
		fate    Fate
		in      []*pgoutput.Message
		want    Batch
		commits int
		events  []EventKind
	}{
		{name: "marker alone", in: []*pgoutput.Message{begin(1, 9), markerRow(txn.Marker{ID: mine}), commit(1, 2)}, commits: 1},
		{name: "another run", in: []*pgoutput.Message{begin(1, 9), markerRow(txn.Marker{ID: other, Ops: 1}), rowOf(other, 1, txn.Insert, "x"), rowOf(other, 2, txn.Delete, ""), commit(1, 2)}},
		{name: "another table", in: []*pgoutput.Message{begin(1, 9), {Kind: pgoutput.KindInsert, Row: pgoutput.Row{RelationOID: otherOID}}, commit(1, 2)}},
		{name: "empty", in: []*pgoutput.Message{begin(1, 9), commit(1, 2)}},
		{name: "stream abort of 18, type, origin", in: []*pgoutput.Message{{Kind: pgoutput.KindStreamAbort}, begin(1, 9), {Kind: pgoutput.KindType}, {Kind: pgoutput.KindOrigin}, commit(1, 2)}},
		{name: "resent", fate: Resent, in: []*pgoutput.Message{begin(1, 9), markerRow(txn.Marker{ID: mine, Ops: 1}), rowOf(mine, 1, txn.Insert, "x"), commit(1, 2)}, want: Batch{Duplicates: 1}},
		{name: "early", fate: Early, in: []*pgoutput.Message{begin(1, 9), markerRow(txn.Marker{ID: mine, Ops: 1}), rowOf(mine, 1, txn.Insert, "x"), commit(1, 2)}, want: Batch{BeforeCapture: 1}},
		{name: "alien", in: []*pgoutput.Message{begin(1, 9), rowOf(mine, 1, txn.Insert, "x"), commit(1, 2)}, want: Batch{Alien: 1}, events: []EventKind{EventAlien}},
		{
			name: "truncate", in: []*pgoutput.Message{begin(1, 9), {Kind: pgoutput.KindTruncate, Truncate: pgoutput.Truncate{RelationOIDs: []uint32{markerOID, otherOID, workerOID + 1}}}, commit(1, 2)},
			events: []EventKind{EventTruncate, EventTruncate},
		},
		{
			name: "marker deleted, marker twice", commits: 1,
			in: []*pgoutput.Message{
				begin(1, 9), {Kind: pgoutput.KindDelete, Row: pgoutput.Row{RelationOID: markerOID}},
				markerRow(txn.Marker{ID: mine}), markerRow(txn.Marker{ID: id(1, 6)}), commit(1, 2),
			},
			events: []EventKind{EventMarker, EventMarker},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(tc.fate))
			feed(t, a, b, head()...)
			feed(t, a, b, tc.in...)
			var kinds []EventKind
			for _, e := range b.Events {
				kinds = append(kinds, e.Kind)
			}
			if d := cmp.Diff(tc.events, kinds); d != "" {
				t.Error(d)
			}
			if len(b.Commits) != tc.commits || len(b.Changes) != 0 || b.End != 2 {
				t.Errorf("%d commits, %d changes, end %v", len(b.Commits), len(b.Changes), b.End)
			}
			if b.Duplicates != tc.want.Duplicates || b.BeforeCapture != tc.want.BeforeCapture || b.Alien != tc.want.Alien {
				t.Errorf("duplicates %d, before %d, alien %d", b.Duplicates, b.BeforeCapture, b.Alien)
			}
		})
	}
}

// A payload that does not fit its checksum is kept, and the sum seen is that of
// what came.
func TestAssembleCorrupt(t *testing.T) {
	one := id(1, 5)
	row := rowOf(one, 10, txn.Insert, "good")
	row.Row.New[4].Data = []byte("evil")
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1, 9), markerRow(txn.Marker{ID: one, Ops: 1}), row, commit(1, 2))
	row.Row.New[4].Data[0] = 'X' // The batch must not alias the message.
	if got := b.Changes[0]; string(got.Raw) != "evil" || got.Sum != txn.SumOf(one, 10, txn.Insert, []byte("evil")) || b.Commits[0].SeenSum != got.Sum {
		t.Errorf("%+v", got)
	}
}

// A delete that comes before the marker gets its attempt from it.
func TestAssembleBeforeMarker(t *testing.T) {
	one := id(1, 5)
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1, 9), rowOf(one, 7, txn.Delete, ""), rowOf(one, 8, txn.Insert, "x"), markerRow(txn.Marker{ID: one, Ops: 2}), commit(1, 2))
	want := []txn.Change{change(one, 7, txn.Delete, "", 0, 1, 9), change(one, 8, txn.Insert, "x", 1, 1, 9)}
	if d := cmp.Diff(want, b.Changes); d != "" {
		t.Error(d)
	}
	if b.Commits[0].SeenSum != sums(one, want...) || len(b.Events) != 1 || b.Events[0].Kind != EventDisorder {
		t.Errorf("%+v, %v", b.Commits[0], b.Events)
	}
}

// A relation that changes in mid-stream moves the columns.
func TestAssembleRelationChange(t *testing.T) {
	one := id(1, 5)
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1, 9), markerRow(txn.Marker{ID: one, Ops: 1}),
		relation(workerOID+1, "pgrpo", "worker_0001", "payload more crc run seq id"))
	sum := txn.SumOf(one, 3, txn.Insert, []byte("p"))
	feed(t, a, b, &pgoutput.Message{Kind: pgoutput.KindInsert, Row: pgoutput.Row{RelationOID: workerOID + 1, New: []pgoutput.Column{
		{Kind: pgoutput.Text, Data: []byte("p")}, {Kind: pgoutput.Null}, int4Column(int32(sum)), int4Column(int32(testRun)), int8Column(5), int8Column(3),
	}}}, commit(1, 2))
	if d := cmp.Diff([]txn.Change{change(one, 3, txn.Insert, "p", 0, 1, 9)}, b.Changes); d != "" {
		t.Error(d)
	}
}

func TestAssembleRefuses(t *testing.T) {
	one := id(1, 5)
	short := rowOf(one, 1, txn.Insert, "x")
	short.Row.New = short.Row.New[:4]
	for name, in := range map[string][]*pgoutput.Message{
		"column not published":  {relation(1, "pgrpo", "marker", "seq run worker ops")},
		"column of other type":  {wrongType()},
		"change outside":        {rowOf(one, 1, txn.Insert, "x")},
		"table not described":   {begin(1, 9), rowOf(id(55, 1), 1, txn.Insert, "x")},
		"row too short":         {begin(1, 9), short},
		"begin within":          {begin(1, 9), begin(2, 10)},
		"commit of another":     {begin(1, 9), commit(2, 3)},
		"commit without begin":  {commit(2, 3)},
		"key is null in delete": {begin(1, 9), {Kind: pgoutput.KindDelete, Row: pgoutput.Row{RelationOID: workerOID + 1, Old: make([]pgoutput.Column, 5)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
			feed(t, a, b, head()...)
			var err error
			for _, m := range in {
				if m != nil && err == nil {
					_, err = a.Step(0, m, b)
				}
			}
			if err == nil {
				t.Error("was taken in")
			}
		})
	}
}

// Commit and the next transaction's first change may share one LSN, and rows
// come with LSN 0: the position given to Step means nothing.
func TestAssemblePositionMeansNothing(t *testing.T) {
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	for seq := txn.Seq(1); seq <= 3; seq++ {
		at := pg.LSN(seq * 100)
		for i, m := range []*pgoutput.Message{begin(at, 9), markerRow(txn.Marker{ID: id(1, seq), Ops: 1}), rowOf(id(1, seq), 1, txn.Insert, "x"), commit(at, at+100)} {
			if _, err := a.Step([]pg.LSN{at + 100, 0, 0, at + 100}[i], m, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(b.Commits) != 3 || len(b.Changes) != 3 || b.End != 400 {
		t.Errorf("%d commits, %d changes, end %v", len(b.Commits), len(b.Changes), b.End)
	}
}

// A transaction larger than a batch goes in parts that name it, and its commit
// adds all of them up.
func TestAssembleParts(t *testing.T) {
	small, huge := id(1, 1), id(1, 2)
	a := NewAssembler(testRun, commitBytes+3*changeBytes, fixed(Keep))
	b := &Batch{}
	feed(t, a, b, head()...)
	feed(t, a, b, begin(10, 1), markerRow(txn.Marker{ID: small}), commit(10, 20), begin(50, 2), markerRow(txn.Marker{ID: huge, Ops: 8}))
	var parts []Batch
	var seen []txn.Change
	step := func(m *pgoutput.Message) {
		t.Helper()
		sealed, err := a.Step(0, m, b)
		if err != nil {
			t.Fatal(err)
		}
		if sealed {
			parts = append(parts, *b)
			seen = append(seen, b.Changes...)
			b = &Batch{}
		}
	}
	for row := txn.RowID(1); row <= 8; row++ {
		step(rowOf(huge, row, txn.Insert, "x"))
	}
	if len(parts) != 2 || parts[0].End != 20 || parts[1].End != 0 {
		t.Fatalf("%d parts: %+v", len(parts), parts)
	}
	for _, p := range parts {
		if d := cmp.Diff(&repo.Part{Worker: 1, Seq: 2, LSN: 50}, p.Open); d != "" {
			t.Error(d)
		}
	}
	abandoned := *a
	rest := &Batch{}
	abandoned.Abandon(rest)
	if rest.Open == nil || rest.Moves() {
		t.Errorf("abandoned: %+v", rest)
	}
	step(commit(50, 60))
	seen = append(seen, b.Changes...)
	if len(seen) != 8 || seen[7].Index != 7 || len(b.Commits) != 1 || b.Commits[0].Seen != 8 || b.Open != nil {
		t.Errorf("%d changes, %+v, open %v", len(seen), b.Commits, b.Open)
	}
}

func TestAbandon(t *testing.T) {
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1, 9), markerRow(txn.Marker{ID: id(1, 1), Ops: 1}), rowOf(id(1, 1), 1, txn.Insert, "x"), commit(1, 2))
	bytes := b.Bytes
	feed(t, a, b, begin(3, 9), markerRow(txn.Marker{ID: id(1, 2), Ops: 1}), rowOf(id(1, 2), 2, txn.Insert, "x"))
	a.Abandon(b)
	if len(b.Commits) != 1 || len(b.Changes) != 1 || b.Bytes != bytes || b.Open != nil || a.Under() || b.End != 2 {
		t.Errorf("%+v", b)
	}
}

func TestAssembleDoesNotAllocate(t *testing.T) {
	a, b, ms := steady(t)
	if n := testing.AllocsPerRun(50, func() {
		b.Reset()
		for _, m := range ms {
			_, _ = a.Step(0, m, b)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// steady is a two-row transaction and an assembler that has seen it before.
func steady(t testing.TB) (*Assembler, *Batch, []*pgoutput.Message) {
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	one := id(1, 5)
	payload := strings.Repeat("x", 64)
	ms := []*pgoutput.Message{
		begin(1, 9), markerRow(txn.Marker{ID: one, Ops: 3}), rowOf(one, 10, txn.Insert, payload),
		rowOf(one, 9, txn.Update, payload), rowOf(one, 8, txn.Delete, ""), commit(1, 2),
	}
	feed(t, a, b, head()...)
	feed(t, a, b, ms...)
	return a, b, ms
}

func BenchmarkStep(b *testing.B) {
	a, batch, ms := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		for _, m := range ms {
			if _, err := a.Step(0, m, batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ms)), "ns/message")
}
