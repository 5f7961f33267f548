package capture

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const testRun txn.Run = 77

// The oids of the tables in these tests.
const (
	markerOID = 100
	workerOID = 200 // worker n has 200 + n
	otherOID  = 900
)

// fixed rules all transactions alike.
type fixed Fate

func (f fixed) Rule(pg.LSN) (pg.BranchID, Fate) { return 3, Fate(f) }

func int8Column(v int64) pgoutput.Column {
	return pgoutput.Column{Kind: pgoutput.Binary, Data: binary.BigEndian.AppendUint64(nil, uint64(v))}
}

func int4Column(v int32) pgoutput.Column {
	return pgoutput.Column{Kind: pgoutput.Binary, Data: binary.BigEndian.AppendUint32(nil, uint32(v))}
}

func columns(names string) []pgoutput.RelationColumn {
	types := map[string]uint32{"seq": int8OID, "id": int8OID, "payload": textOID}
	var cs []pgoutput.RelationColumn
	for name := range strings.FieldsSeq(names) {
		oid, wide := types[name]
		if !wide {
			oid = int4OID
		}
		cs = append(cs, pgoutput.RelationColumn{Name: []byte(name), TypeOID: oid})
	}
	return cs
}

func relation(oid uint32, namespace, name, cols string) *pgoutput.Message {
	return &pgoutput.Message{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
		OID: oid, Namespace: []byte(namespace), Name: []byte(name), Columns: columns(cols),
	}}
}

func begin(final pg.LSN, xid pg.Xid) *pgoutput.Message {
	return &pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: final, Xid: xid}}
}

func commit(start, end pg.LSN) *pgoutput.Message {
	return &pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{LSN: start, EndLSN: end}}
}

func markerRow(m txn.Marker) *pgoutput.Message {
	return &pgoutput.Message{Kind: pgoutput.KindInsert, Row: pgoutput.Row{RelationOID: markerOID, New: []pgoutput.Column{
		int8Column(int64(m.Seq)), int4Column(int32(m.Run)), int4Column(int32(m.Worker)), int4Column(m.Ops), int4Column(int32(m.Sum)),
	}}}
}

// rowOf is the message of one change of the attempt, as a sound server sends it.
func rowOf(id txn.ID, row txn.RowID, kind txn.Kind, payload string) *pgoutput.Message {
	if kind == txn.Delete {
		null := pgoutput.Column{Kind: pgoutput.Null}
		return &pgoutput.Message{Kind: pgoutput.KindDelete, Row: pgoutput.Row{
			RelationOID: workerOID + uint32(id.Worker), OldKind: pgoutput.OldKey,
			Old: []pgoutput.Column{int8Column(int64(row)), null, int4Column(int32(id.Run)), null, null},
		}}
	}
	m := &pgoutput.Message{Kind: pgoutput.KindInsert, Row: pgoutput.Row{RelationOID: workerOID + uint32(id.Worker), New: []pgoutput.Column{
		int8Column(int64(row)), int8Column(int64(id.Seq)), int4Column(int32(id.Run)),
		int4Column(int32(txn.SumOf(id, row, kind, []byte(payload)))), {Kind: pgoutput.Binary, Data: []byte(payload)},
	}}}
	if kind == txn.Update {
		m.Kind = pgoutput.KindUpdate
	}
	return m
}

func head() []*pgoutput.Message {
	return []*pgoutput.Message{
		relation(markerOID, "pgrpo", "marker", "seq run worker ops crc"),
		relation(workerOID+1, "pgrpo", "worker_0001", "id seq run crc payload"),
		relation(workerOID+2, "pgrpo", "worker_0002", "id seq run crc payload"),
		relation(otherOID, "public", "marker", "seq"),
	}
}

func id(w txn.Worker, seq txn.Seq) txn.ID { return txn.ID{Run: testRun, Worker: w, Seq: seq} }

// feed steps through the messages and fails on any error.
func feed(t testing.TB, a *Assembler, b *Batch, ms ...*pgoutput.Message) {
	t.Helper()
	for i, m := range ms {
		if _, err := a.Step(0, m, b); err != nil {
			t.Fatalf("message %d, %s: %v", i, m.Kind, err)
		}
	}
}

func wrongType() *pgoutput.Message {
	m := relation(1, "pgrpo", "worker_0001", "id seq run crc payload")
	m.Relation.Columns[0].TypeOID = int4OID
	return m
}
