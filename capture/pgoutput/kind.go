package pgoutput

import "fmt"

// Kind is the first byte of a message, which tells what it is. The zero Kind is
// that of a Message that holds nothing.
type Kind byte

// The kinds of messages that Parse reads.
const (
	KindBegin       Kind = 'B'
	KindCommit      Kind = 'C'
	KindOrigin      Kind = 'O'
	KindRelation    Kind = 'R'
	KindType        Kind = 'Y'
	KindInsert      Kind = 'I'
	KindUpdate      Kind = 'U'
	KindDelete      Kind = 'D'
	KindTruncate    Kind = 'T'
	KindLogical     Kind = 'M'
	KindStreamAbort Kind = 'A'
)

// The kinds of messages that exist only in a stream of transactions in progress.
const (
	kindStreamStart  Kind = 'S'
	kindStreamStop   Kind = 'E'
	kindStreamCommit Kind = 'c'
)

// Ignorable says that a message of this kind carries nothing for a reader that
// did not ask for streaming. PostgreSQL 18 may send a stream abort all the same.
func (k Kind) Ignorable() bool { return k == KindStreamAbort }

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindBegin:
		return "begin"
	case KindCommit:
		return "commit"
	case KindOrigin:
		return "origin"
	case KindRelation:
		return "relation"
	case KindType:
		return "type"
	case KindInsert:
		return "insert"
	case KindUpdate:
		return "update"
	case KindDelete:
		return "delete"
	case KindTruncate:
		return "truncate"
	case KindLogical:
		return "logical message"
	case KindStreamAbort:
		return "stream abort"
	case kindStreamStart:
		return "stream start"
	case kindStreamStop:
		return "stream stop"
	case kindStreamCommit:
		return "stream commit"
	default:
		return fmt.Sprintf("unknown message (0x%02x)", byte(k))
	}
}
