package pgoutput

import "github.com/pgrpo/pgrpo/internal/pg"

// Message is one message of the plugin. It is a union: Kind says which of the
// members is valid, and the others hold what earlier messages left. Insert,
// Update and Delete share Row. Slices keep their memory from one Parse to the
// next, so a Message is reused, never copied, and belongs to one goroutine.
type Message struct {
	Kind        Kind
	Begin       Begin
	Commit      Commit
	Origin      Origin
	Relation    Relation
	Type        Type
	Row         Row
	Truncate    Truncate
	Logical     Logical
	StreamAbort StreamAbort
}

// Begin opens a transaction.
type Begin struct {
	// FinalLSN is where the transaction's commit record starts; it equals the LSN
	// of the Commit that closes the transaction.
	FinalLSN pg.LSN
	// CommitTime is when the transaction was committed.
	CommitTime Timestamp
	// Xid is the transaction's number, without its epoch.
	Xid pg.Xid
}

// Commit closes a transaction.
type Commit struct {
	// Flags is unused in protocol version 1 and zero.
	Flags uint8
	// LSN is where the commit record starts.
	LSN pg.LSN
	// EndLSN is the first byte after the commit record: the position to confirm.
	EndLSN pg.LSN
	// CommitTime is when the transaction was committed.
	CommitTime Timestamp
}

// Origin tells that the transaction was replicated from elsewhere.
type Origin struct {
	// CommitLSN is the commit's position on the server of origin.
	CommitLSN pg.LSN
	// Name is the name of the replication origin.
	Name []byte
}

// Relation describes a table before the first change of it that is sent, and
// again after its definition has changed.
type Relation struct {
	// OID is the table's oid, by which the changes name it.
	OID uint32
	// Namespace is the table's schema; empty stands for pg_catalog.
	Namespace []byte
	// Name is the table's name.
	Name []byte
	// ReplicaIdentity is pg_class.relreplident: 'd', 'n', 'f' or 'i'.
	ReplicaIdentity byte
	// Columns are the published columns in the order of the values of a row.
	Columns []RelationColumn
}

// RelationColumn describes one column of a table.
type RelationColumn struct {
	// Flags has bit 0 set for a column of the replica identity.
	Flags uint8
	// Name is the column's name.
	Name []byte
	// TypeOID is the oid of the column's type.
	TypeOID uint32
	// TypeMod is pg_attribute.atttypmod.
	TypeMod int32
}

// PartOfKey says whether the column belongs to the table's replica identity.
func (c RelationColumn) PartOfKey() bool { return c.Flags&1 != 0 }

// Type names a type that is not built in, before a Relation that uses it.
type Type struct {
	// OID is the type's oid.
	OID uint32
	// Namespace is the type's schema; empty stands for pg_catalog.
	Namespace []byte
	// Name is the type's name.
	Name []byte
}

// OldKind says what the old values of a row are.
type OldKind byte

// The kinds of old values. The zero OldKind means that none were sent.
const (
	// OldKey marks the columns of the replica identity; the others are Null.
	OldKey OldKind = 'K'
	// OldRow marks the whole row, sent for REPLICA IDENTITY FULL.
	OldRow OldKind = 'O'
)

// newRow is the byte in front of the new values of a row.
const newRow = 'N'

// Row is the change of one row.
type Row struct {
	// RelationOID names the table, which a Relation has described.
	RelationOID uint32
	// OldKind says what Old holds. It is zero for every Insert, and for an Update
	// that left the replica identity as it was.
	OldKind OldKind
	// Old are the values before an Update or Delete; empty when OldKind is zero.
	Old []Column
	// New are the values after an Insert or Update; empty for a Delete.
	New []Column
}

// TruncateOptions are the options of a TRUNCATE, as bits.
type TruncateOptions uint8

// The options of a TRUNCATE.
const (
	// TruncateCascade stands for CASCADE.
	TruncateCascade TruncateOptions = 1
	// TruncateRestartIdentity stands for RESTART IDENTITY.
	TruncateRestartIdentity TruncateOptions = 2
)

// Truncate empties tables.
type Truncate struct {
	// Options are those of the statement.
	Options TruncateOptions
	// RelationOIDs name the tables.
	RelationOIDs []uint32
}

// Logical is a message that a client wrote with pg_logical_emit_message. It is
// sent only when the stream was started with messages 'true'.
type Logical struct {
	// Transactional says that it came within a transaction, between its Begin and
	// its Commit; otherwise it stands alone.
	Transactional bool
	// LSN is the position of the message.
	LSN pg.LSN
	// Prefix is the name under which it was written.
	Prefix []byte
	// Content is what was written.
	Content []byte
}

// StreamAbort undoes a streamed transaction or a part of it. See Kind.Ignorable.
type StreamAbort struct {
	// Xid is the number of the streamed transaction.
	Xid pg.Xid
	// SubXid is the number of the subtransaction undone; Xid if all of it was.
	SubXid pg.Xid
	// AbortLSN and AbortTime are sent for parallel streaming only, else zero.
	AbortLSN  pg.LSN
	AbortTime Timestamp
}
