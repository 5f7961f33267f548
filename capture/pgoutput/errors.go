package pgoutput

import (
	"errors"
	"fmt"
)

// ErrMalformed says that bytes do not form the message that they claim to be:
// they end too early, go on too long, or hold a value the format does not know.
var ErrMalformed = errors.New("malformed replication message")

// ErrUnknownKind says that a message begins with a byte that protocol version 1
// does not define.
var ErrUnknownKind = errors.New("unknown kind of replication message")

// ErrStreaming says that the server sent a part of a transaction in progress,
// which it does only when the stream was started with the option "streaming".
var ErrStreaming = errors.New("server streams a transaction in progress: start replication without the option streaming")

// unknownKind builds the error for a first byte that nothing here can read.
func unknownKind(first byte) error {
	return fmt.Errorf("parse replication message beginning with byte 0x%02x: %w", first, ErrUnknownKind)
}
