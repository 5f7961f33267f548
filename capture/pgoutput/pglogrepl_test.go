package pgoutput_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
)

// reference parses with pglogrepl, whose panic on bytes that it does not expect
// becomes an error. Only its second version reads a stream abort. It asks an
// Insert and a Truncate to be longer than one without columns or tables is, and
// does not mind what follows a message, so those two get some bytes more.
func reference(data []byte) (m pglogrepl.Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	const emptyInsert, emptyTruncate = 1 + 4 + 1 + 2, 1 + 4 + 1
	switch {
	case len(data) == 0:
		return nil, pgoutput.ErrMalformed
	case data[0] == 'A':
		return pglogrepl.ParseV2(data, false)
	case data[0] == 'I' && len(data) == emptyInsert, data[0] == 'T' && len(data) == emptyTruncate:
		return pglogrepl.Parse(append(slices.Clone(data), 0, 0, 0, 0))
	default:
		return pglogrepl.Parse(data)
	}
}

// inReferenceTerms says in pglogrepl's types what m says.
func inReferenceTerms(m *pgoutput.Message) pglogrepl.Message {
	switch m.Kind {
	case pgoutput.KindBegin:
		r := &pglogrepl.BeginMessage{
			FinalLSN: pglogrepl.LSN(m.Begin.FinalLSN), CommitTime: m.Begin.CommitTime.Time(), Xid: uint32(m.Begin.Xid),
		}
		r.SetType(pglogrepl.MessageTypeBegin)
		return r
	case pgoutput.KindCommit:
		r := &pglogrepl.CommitMessage{
			Flags: m.Commit.Flags, CommitLSN: pglogrepl.LSN(m.Commit.LSN),
			TransactionEndLSN: pglogrepl.LSN(m.Commit.EndLSN), CommitTime: m.Commit.CommitTime.Time(),
		}
		r.SetType(pglogrepl.MessageTypeCommit)
		return r
	case pgoutput.KindOrigin:
		r := &pglogrepl.OriginMessage{CommitLSN: pglogrepl.LSN(m.Origin.CommitLSN), Name: string(m.Origin.Name)}
		r.SetType(pglogrepl.MessageTypeOrigin)
		return r
	case pgoutput.KindRelation:
		r := &pglogrepl.RelationMessage{
			RelationID: m.Relation.OID, Namespace: string(m.Relation.Namespace), RelationName: string(m.Relation.Name),
			ReplicaIdentity: m.Relation.ReplicaIdentity, ColumnNum: uint16(len(m.Relation.Columns)),
		}
		for _, c := range m.Relation.Columns {
			r.Columns = append(r.Columns, &pglogrepl.RelationMessageColumn{
				Flags: c.Flags, Name: string(c.Name), DataType: c.TypeOID, TypeModifier: c.TypeMod,
			})
		}
		r.SetType(pglogrepl.MessageTypeRelation)
		return r
	case pgoutput.KindType:
		r := &pglogrepl.TypeMessage{DataType: m.Type.OID, Namespace: string(m.Type.Namespace), Name: string(m.Type.Name)}
		r.SetType(pglogrepl.MessageTypeType)
		return r
	case pgoutput.KindInsert:
		r := &pglogrepl.InsertMessage{RelationID: m.Row.RelationOID, Tuple: tupleInReferenceTerms(m.Row.New)}
		r.SetType(pglogrepl.MessageTypeInsert)
		return r
	case pgoutput.KindUpdate:
		r := &pglogrepl.UpdateMessage{
			RelationID: m.Row.RelationOID, OldTupleType: byte(m.Row.OldKind), NewTuple: tupleInReferenceTerms(m.Row.New),
		}
		if m.Row.OldKind != 0 {
			r.OldTuple = tupleInReferenceTerms(m.Row.Old)
		}
		r.SetType(pglogrepl.MessageTypeUpdate)
		return r
	case pgoutput.KindDelete:
		r := &pglogrepl.DeleteMessage{
			RelationID: m.Row.RelationOID, OldTupleType: byte(m.Row.OldKind), OldTuple: tupleInReferenceTerms(m.Row.Old),
		}
		r.SetType(pglogrepl.MessageTypeDelete)
		return r
	case pgoutput.KindTruncate:
		r := &pglogrepl.TruncateMessage{
			RelationNum: uint32(len(m.Truncate.RelationOIDs)), Option: byte(m.Truncate.Options), RelationIDs: m.Truncate.RelationOIDs,
		}
		r.SetType(pglogrepl.MessageTypeTruncate)
		return r
	case pgoutput.KindLogical:
		r := &pglogrepl.LogicalDecodingMessage{
			LSN: pglogrepl.LSN(m.Logical.LSN), Transactional: m.Logical.Transactional,
			Prefix: string(m.Logical.Prefix), Content: m.Logical.Content,
		}
		r.SetType(pglogrepl.MessageTypeMessage)
		return r
	case pgoutput.KindStreamAbort:
		r := &pglogrepl.StreamAbortMessageV2{Xid: uint32(m.StreamAbort.Xid), SubXid: uint32(m.StreamAbort.SubXid)}
		r.SetType(pglogrepl.MessageTypeStreamAbort)
		return r
	default:
		return nil
	}
}

func tupleInReferenceTerms(columns []pgoutput.Column) *pglogrepl.TupleData {
	r := &pglogrepl.TupleData{ColumnNum: uint16(len(columns))}
	for _, c := range columns {
		r.Columns = append(r.Columns, &pglogrepl.TupleDataColumn{DataType: byte(c.Kind), Length: uint32(len(c.Data)), Data: c.Data})
	}
	return r
}

// differences compares what both parsers made of a message. pglogrepl holds times
// as nanoseconds since 1970 in 64 bits; beyond that range its value is wrapped, so
// ours is wrapped the same way before the two are compared.
func differences(want pglogrepl.Message, m *pgoutput.Message) string {
	wrapped := cmp.Comparer(func(a, b time.Time) bool { return a.UnixNano() == b.UnixNano() })
	everything := cmp.Exporter(func(reflect.Type) bool { return true })
	return cmp.Diff(want, inReferenceTerms(m), everything, cmpopts.EquateEmpty(), wrapped)
}

func TestParseLikePglogrepl(t *testing.T) {
	var m pgoutput.Message
	rapid.Check(t, func(t *rapid.T) {
		data := drawMessage(t)
		want, err := reference(data)
		if err != nil {
			t.Fatalf("pglogrepl refuses %q: %v", data, err)
		}
		if err := m.Parse(data); err != nil {
			t.Fatalf("refused %q: %v", data, err)
		}
		if diff := differences(want, &m); diff != "" {
			t.Errorf("%q differs (-pglogrepl +pgoutput):\n%s", data, diff)
		}
	})
}

// FuzzParse looks for a panic, for a message accepted that pglogrepl refuses, and
// for one that it reads otherwise. The Message was used before, as in a stream.
func FuzzParse(f *testing.F) {
	for _, e := range examples() {
		f.Add([]byte(e.data))
	}
	f.Add(insert5())
	for _, name := range recordings() {
		for _, r := range readRecording(f, name) {
			f.Add(r.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pgoutput.Message
		if err := m.Parse(insert5()); err != nil {
			t.Fatal(err)
		}
		if err := m.Parse(data); err != nil {
			if m.Kind != 0 {
				t.Errorf("kind %v beside the error %v", m.Kind, err)
			}
			return
		}
		want, err := reference(data)
		if err != nil {
			t.Fatalf("accepted %q, which pglogrepl refuses: %v", data, err)
		}
		if diff := differences(want, &m); diff != "" {
			t.Errorf("%q differs (-pglogrepl +pgoutput):\n%s", data, diff)
		}
	})
}
