package pgoutput

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// ColumnKind is the byte in front of a column's value that says what form the
// value has.
type ColumnKind byte

// The kinds of columns.
const (
	// Null marks SQL's NULL; there is no value.
	Null ColumnKind = 'n'
	// Unchanged marks a value stored out of line (TOAST) that an update did not
	// touch and that the server therefore does not send. It is not NULL.
	Unchanged ColumnKind = 'u'
	// Text marks a value in the text form of its type.
	Text ColumnKind = 't'
	// Binary marks a value in the binary form of its type, as its send function
	// writes it. It is sent only when the stream was started with binary 'true'.
	Binary ColumnKind = 'b'
)

// ErrNoValue says that a column was asked for a value that the server did not
// send: it is NULL, or unchanged.
var ErrNoValue = errors.New("column carries no value")

// Column is one value of a row.
type Column struct {
	// Kind says what form Data has.
	Kind ColumnKind
	// Data is the value, which may be empty; nil for Null and Unchanged. It
	// aliases the parsed buffer.
	Data []byte
}

// Int8 is the value of a column of the type int8 (bigint). Both forms are read,
// so the other integer types may be read with it in text form only: in binary
// form a value that is not 8 bytes long is an error, and so is a column without
// a value (ErrNoValue).
func (c Column) Int8() (int64, error) {
	switch c.Kind {
	case Binary:
		if len(c.Data) != 8 {
			return 0, fmt.Errorf("read int8 column: binary value of %d bytes instead of 8: %w", len(c.Data), ErrMalformed)
		}
		return int64(binary.BigEndian.Uint64(c.Data)), nil
	case Text:
		v, err := strconv.ParseInt(string(c.Data), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read int8 column: %w: %w", err, ErrMalformed)
		}
		return v, nil
	default:
		return 0, fmt.Errorf("read int8 column of kind %s: %w", c.Kind, ErrNoValue)
	}
}

// Int4 is the value of a column of the type int4 (integer), under the same rules
// as Int8, with 4 bytes in binary form and the range of 32 bits in text form.
func (c Column) Int4() (int32, error) {
	switch c.Kind {
	case Binary:
		if len(c.Data) != 4 {
			return 0, fmt.Errorf("read int4 column: binary value of %d bytes instead of 4: %w", len(c.Data), ErrMalformed)
		}
		return int32(binary.BigEndian.Uint32(c.Data)), nil
	case Text:
		v, err := strconv.ParseInt(string(c.Data), 10, 32)
		if err != nil {
			return 0, fmt.Errorf("read int4 column: %w: %w", err, ErrMalformed)
		}
		return int32(v), nil
	default:
		return 0, fmt.Errorf("read int4 column of kind %s: %w", c.Kind, ErrNoValue)
	}
}

// String names the kind.
func (k ColumnKind) String() string {
	switch k {
	case Null:
		return "null"
	case Unchanged:
		return "unchanged"
	case Text:
		return "text"
	case Binary:
		return "binary"
	default:
		return fmt.Sprintf("unknown (0x%02x)", byte(k))
	}
}
