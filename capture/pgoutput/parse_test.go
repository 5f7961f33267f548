package pgoutput_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
)

type example struct {
	name string
	data string
	want pgoutput.Message
}

// examples are written out by hand from the manual's description of the format,
// so that they hold without any encoder or other parser being right.
func examples() []example {
	return []example{
		{
			name: "begin",
			data: "B" + "\x00\x00\x00\x02\x01\x51\x30\x10" + "\x00\x02\xda\x7b\x00\x00\x00\x01" + "\x00\x00\x02\xe5",
			want: pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{
				FinalLSN: 0x2_0151_3010, CommitTime: 0x2_da7b_0000_0001, Xid: 741,
			}},
		},
		{
			name: "commit",
			data: "C" + "\x00" + "\x00\x00\x00\x02\x01\x51\x30\x10" + "\x00\x00\x00\x02\x01\x51\x30\x40" + "\xff\xff\xff\xff\xff\xff\xff\xff",
			want: pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{
				LSN: 0x2_0151_3010, EndLSN: 0x2_0151_3040, CommitTime: -1,
			}},
		},
		{
			name: "origin",
			data: "O" + "\x00\x00\x00\x00\x00\x00\x00\x07" + "north\x00",
			want: pgoutput.Message{Kind: pgoutput.KindOrigin, Origin: pgoutput.Origin{CommitLSN: 7, Name: []byte("north")}},
		},
		{
			name: "relation",
			data: "R" + "\x00\x00\x40\x01" + "public\x00" + "ledger\x00" + "d" + "\x00\x02" +
				"\x01" + "id\x00" + "\x00\x00\x00\x14" + "\xff\xff\xff\xff" +
				"\x00" + "v\x00" + "\x00\x00\x04\x13" + "\x00\x00\x00\x18",
			want: pgoutput.Message{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
				OID: 16385, Namespace: []byte("public"), Name: []byte("ledger"), ReplicaIdentity: 'd',
				Columns: []pgoutput.RelationColumn{
					{Flags: 1, Name: []byte("id"), TypeOID: 20, TypeMod: -1},
					{Name: []byte("v"), TypeOID: 1043, TypeMod: 24},
				},
			}},
		},
		{
			name: "relation in pg_catalog without columns",
			data: "R" + "\x00\x00\x40\x01" + "\x00" + "t\x00" + "n" + "\x00\x00",
			want: pgoutput.Message{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
				OID: 16385, Name: []byte("t"), ReplicaIdentity: 'n',
			}},
		},
		{
			name: "type",
			data: "Y" + "\x00\x00\x40\x02" + "public\x00" + "mood\x00",
			want: pgoutput.Message{Kind: pgoutput.KindType, Type: pgoutput.Type{
				OID: 16386, Namespace: []byte("public"), Name: []byte("mood"),
			}},
		},
		{
			name: "insert of every kind of column",
			data: "I" + "\x00\x00\x40\x01" + "N" + "\x00\x05" +
				"t\x00\x00\x00\x02" + "42" + "n" + "u" + "b\x00\x00\x00\x04" + "\x00\x00\x00\x2a" + "t\x00\x00\x00\x00",
			want: pgoutput.Message{Kind: pgoutput.KindInsert, Row: pgoutput.Row{
				RelationOID: 16385,
				New: []pgoutput.Column{
					{Kind: pgoutput.Text, Data: []byte("42")}, {Kind: pgoutput.Null}, {Kind: pgoutput.Unchanged},
					{Kind: pgoutput.Binary, Data: []byte{0, 0, 0, 42}}, {Kind: pgoutput.Text, Data: []byte{}},
				},
			}},
		},
		{
			name: "insert without columns",
			data: "I" + "\x00\x00\x40\x01" + "N" + "\x00\x00",
			want: pgoutput.Message{Kind: pgoutput.KindInsert, Row: pgoutput.Row{RelationOID: 16385}},
		},
		{
			name: "update with the key as it was",
			data: "U" + "\x00\x00\x40\x01" + "N" + "\x00\x01" + "t\x00\x00\x00\x01" + "7",
			want: pgoutput.Message{Kind: pgoutput.KindUpdate, Row: pgoutput.Row{
				RelationOID: 16385, New: []pgoutput.Column{{Kind: pgoutput.Text, Data: []byte("7")}},
			}},
		},
		{
			name: "update with an old key",
			data: "U" + "\x00\x00\x40\x01" + "K" + "\x00\x02" + "t\x00\x00\x00\x01" + "6" + "n" +
				"N" + "\x00\x02" + "t\x00\x00\x00\x01" + "7" + "u",
			want: pgoutput.Message{Kind: pgoutput.KindUpdate, Row: pgoutput.Row{
				RelationOID: 16385, OldKind: pgoutput.OldKey,
				Old: []pgoutput.Column{{Kind: pgoutput.Text, Data: []byte("6")}, {Kind: pgoutput.Null}},
				New: []pgoutput.Column{{Kind: pgoutput.Text, Data: []byte("7")}, {Kind: pgoutput.Unchanged}},
			}},
		},
		{
			name: "update with an old row",
			data: "U" + "\x00\x00\x40\x01" + "O" + "\x00\x01" + "n" + "N" + "\x00\x01" + "t\x00\x00\x00\x01" + "7",
			want: pgoutput.Message{Kind: pgoutput.KindUpdate, Row: pgoutput.Row{
				RelationOID: 16385, OldKind: pgoutput.OldRow,
				Old: []pgoutput.Column{{Kind: pgoutput.Null}},
				New: []pgoutput.Column{{Kind: pgoutput.Text, Data: []byte("7")}},
			}},
		},
		{
			name: "delete by key",
			data: "D" + "\x00\x00\x40\x01" + "K" + "\x00\x01" + "t\x00\x00\x00\x01" + "7",
			want: pgoutput.Message{Kind: pgoutput.KindDelete, Row: pgoutput.Row{
				RelationOID: 16385, OldKind: pgoutput.OldKey, Old: []pgoutput.Column{{Kind: pgoutput.Text, Data: []byte("7")}},
			}},
		},
		{
			name: "delete of a whole row",
			data: "D" + "\x00\x00\x40\x01" + "O" + "\x00\x01" + "n",
			want: pgoutput.Message{Kind: pgoutput.KindDelete, Row: pgoutput.Row{
				RelationOID: 16385, OldKind: pgoutput.OldRow, Old: []pgoutput.Column{{Kind: pgoutput.Null}},
			}},
		},
		{
			name: "truncate",
			data: "T" + "\x00\x00\x00\x02" + "\x03" + "\x00\x00\x40\x01" + "\x00\x00\x40\x02",
			want: pgoutput.Message{Kind: pgoutput.KindTruncate, Truncate: pgoutput.Truncate{
				Options:      pgoutput.TruncateCascade | pgoutput.TruncateRestartIdentity,
				RelationOIDs: []uint32{16385, 16386},
			}},
		},
		{
			name: "logical message",
			data: "M" + "\x01" + "\x00\x00\x00\x00\x01\x51\x30\x10" + "pgrpo.end\x00" + "\x00\x00\x00\x03" + "a\x00b",
			want: pgoutput.Message{Kind: pgoutput.KindLogical, Logical: pgoutput.Logical{
				Transactional: true, LSN: 0x151_3010, Prefix: []byte("pgrpo.end"), Content: []byte("a\x00b"),
			}},
		},
		{
			name: "logical message outside a transaction, all empty",
			data: "M" + "\x00" + "\x00\x00\x00\x00\x01\x51\x30\x10" + "\x00" + "\x00\x00\x00\x00",
			want: pgoutput.Message{Kind: pgoutput.KindLogical, Logical: pgoutput.Logical{LSN: 0x151_3010}},
		},
		{
			name: "stream abort",
			data: "A" + "\x00\x00\x02\xe5" + "\x00\x00\x02\xe6",
			want: pgoutput.Message{Kind: pgoutput.KindStreamAbort, StreamAbort: pgoutput.StreamAbort{Xid: 741, SubXid: 742}},
		},
		{
			name: "stream abort with its place",
			data: "A" + "\x00\x00\x02\xe5" + "\x00\x00\x02\xe6" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02",
			want: pgoutput.Message{Kind: pgoutput.KindStreamAbort, StreamAbort: pgoutput.StreamAbort{
				Xid: 741, SubXid: 742, AbortLSN: 1, AbortTime: 2,
			}},
		},
	}
}

// valid is the message with the members that its kind does not name emptied, as
// those may hold what an earlier message left.
func valid(m *pgoutput.Message) pgoutput.Message {
	v := pgoutput.Message{Kind: m.Kind}
	switch m.Kind {
	case pgoutput.KindBegin:
		v.Begin = m.Begin
	case pgoutput.KindCommit:
		v.Commit = m.Commit
	case pgoutput.KindOrigin:
		v.Origin = m.Origin
	case pgoutput.KindRelation:
		v.Relation = m.Relation
	case pgoutput.KindType:
		v.Type = m.Type
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete:
		v.Row = m.Row
	case pgoutput.KindTruncate:
		v.Truncate = m.Truncate
	case pgoutput.KindLogical:
		v.Logical = m.Logical
	case pgoutput.KindStreamAbort:
		v.StreamAbort = m.StreamAbort
	}
	return v
}

func TestParse(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			var m pgoutput.Message
			if err := m.Parse([]byte(e.data)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e.want, m, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("message differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseReused parses every example after every other with the same Message:
// nothing of the one may be seen in the other.
func TestParseReused(t *testing.T) {
	var m pgoutput.Message
	for _, before := range examples() {
		for _, e := range examples() {
			for _, data := range []string{before.data, e.data} {
				if err := m.Parse([]byte(data)); err != nil {
					t.Fatalf("%s after %s: %v", e.name, before.name, err)
				}
			}
			if diff := cmp.Diff(e.want, valid(&m), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s after %s differs (-want +got):\n%s", e.name, before.name, diff)
			}
		}
	}
}

// TestParseCut cuts every example at every place and adds a byte to its end:
// none of that is a message.
func TestParseCut(t *testing.T) {
	var m pgoutput.Message
	const abortWithoutPlace = 9
	for _, e := range examples() {
		for n := range len(e.data) {
			if e.data[0] == 'A' && n == abortWithoutPlace {
				continue
			}
			err := m.Parse([]byte(e.data[:n]))
			if !errors.Is(err, pgoutput.ErrMalformed) || m.Kind != 0 {
				t.Errorf("%s cut to %d bytes: kind %v, error %v", e.name, n, m.Kind, err)
			}
		}
		err := m.Parse([]byte(e.data + "\x00"))
		if !errors.Is(err, pgoutput.ErrMalformed) || m.Kind != 0 {
			t.Errorf("%s with a byte added: kind %v, error %v", e.name, m.Kind, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		data string
		want error
	}{
		{"stream start", "S\x00\x00\x02\xe5\x01", pgoutput.ErrStreaming},
		{"stream stop", "E", pgoutput.ErrStreaming},
		{"stream commit", "c\x00\x00\x02\xe5", pgoutput.ErrStreaming},
		{"begin prepare", "b\x00", pgoutput.ErrUnknownKind},
		{"zero byte", "\x00", pgoutput.ErrUnknownKind},
		{"empty", "", pgoutput.ErrMalformed},
		{"insert with an old row", "I\x00\x00\x40\x01O\x00\x01n", pgoutput.ErrMalformed},
		{"update with two old rows", "U\x00\x00\x40\x01K\x00\x01nO\x00\x01nN\x00\x01n", pgoutput.ErrMalformed},
		{"update without new row", "U\x00\x00\x40\x01K\x00\x01nX\x00\x01n", pgoutput.ErrMalformed},
		{"delete with a new row", "D\x00\x00\x40\x01N\x00\x01n", pgoutput.ErrMalformed},
		{"column of an unknown kind", "I\x00\x00\x40\x01N\x00\x01x", pgoutput.ErrMalformed},
		{"column longer than the message", "I\x00\x00\x40\x01N\x00\x01t\xff\xff\xff\xffa", pgoutput.ErrMalformed},
		{"more columns than bytes", "I\x00\x00\x40\x01N\xff\xffn", pgoutput.ErrMalformed},
		{"more relation columns than bytes", "R\x00\x00\x40\x01\x00\x00d\xff\xff\x00a\x00\x00\x00\x00\x00\x00\x00\x00\x00", pgoutput.ErrMalformed},
		{"more tables than bytes", "T\xff\xff\xff\xff\x00\x00\x00\x40\x01", pgoutput.ErrMalformed},
		{"name without its end", "O\x00\x00\x00\x00\x00\x00\x00\x07north", pgoutput.ErrMalformed},
		{"logical message of unknown flags", "M\x02\x00\x00\x00\x00\x01\x51\x30\x10p\x00\x00\x00\x00\x00", pgoutput.ErrMalformed},
		{"logical message longer than it is", "M\x01\x00\x00\x00\x00\x01\x51\x30\x10p\x00\xff\xff\xff\xffab", pgoutput.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := pgoutput.Message{Kind: pgoutput.KindBegin}
			if err := m.Parse([]byte(test.data)); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if m.Kind != 0 {
				t.Errorf("kind %v after an error", m.Kind)
			}
		})
	}
}

// TestParseAliases shows that values point into the parsed bytes, and that
// appending to one cannot reach the next.
func TestParseAliases(t *testing.T) {
	data := []byte("I\x00\x00\x40\x01N\x00\x02t\x00\x00\x00\x01at\x00\x00\x00\x01b")
	before := slices.Clone(data)
	var m pgoutput.Message
	if err := m.Parse(data); err != nil {
		t.Fatal(err)
	}
	_ = append(m.Row.New[0].Data, "overwritten"...)
	if !bytes.Equal(before, data) {
		t.Errorf("append to a value changed the buffer to %q", data)
	}
	data[len(data)-1] = 'c'
	if got := string(m.Row.New[1].Data); got != "c" {
		t.Errorf("value %q does not alias the buffer", got)
	}
}

func TestIgnorable(t *testing.T) {
	for _, e := range examples() {
		if got, want := e.want.Kind.Ignorable(), e.data[0] == 'A'; got != want {
			t.Errorf("%s: ignorable %t, want %t", e.name, got, want)
		}
	}
}

func TestPartOfKey(t *testing.T) {
	key := pgoutput.RelationColumn{Flags: 1}
	if other := (pgoutput.RelationColumn{}); !key.PartOfKey() || other.PartOfKey() {
		t.Errorf("part of key: %t with bit 0, %t without", key.PartOfKey(), other.PartOfKey())
	}
}
