package pgoutput

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// FrameKind is the first byte of a CopyData payload sent by a walsender.
type FrameKind byte

// The kinds of frames.
const (
	// FrameXLogData carries one message of the output plugin.
	FrameXLogData FrameKind = 'w'
	// FrameKeepalive tells how far the server has sent.
	FrameKeepalive FrameKind = 'k'
)

// Frame is the wrapper of the streaming replication protocol around what a
// server sends in one CopyData. It is made once and filled by Parse; only the
// member that Kind names is valid. The zero Kind means that nothing was parsed.
type Frame struct {
	Kind      FrameKind
	XLogData  XLogData
	Keepalive Keepalive
}

// XLogData is a frame that carries a message.
type XLogData struct {
	// Start is the position of the change in the server's WAL. It is 0/0 when the
	// message is not the last one written for its change (a Relation in front of
	// an Insert, for one), so it may be used only as a maximum. For a Commit it is
	// the end of the transaction (WalSndPrepareWrite in walsender.c).
	Start pg.LSN
	// End equals Start in a logical stream.
	End pg.LSN
	// SentAt is when the server sent the frame.
	SentAt Timestamp
	// Payload is the message, for Message.Parse. It aliases the parsed buffer.
	Payload []byte
}

// Keepalive is a frame that tells how far the server is.
type Keepalive struct {
	// End is the position up to which the server has sent everything there was to
	// send on this connection.
	End pg.LSN
	// SentAt is when the server sent the frame.
	SentAt Timestamp
	// ReplyRequested says that the server will end the connection for a timeout
	// unless it hears a status update soon.
	ReplyRequested bool
}

// Parse reads the payload of one CopyData, its kind byte included. The error is
// ErrMalformed or ErrUnknownKind, wrapped; Kind is then zero.
func (f *Frame) Parse(data []byte) error {
	f.Kind = 0
	if len(data) == 0 {
		return fmt.Errorf("parse replication frame of 0 bytes: %w", ErrMalformed)
	}
	kind := FrameKind(data[0])
	c := cursor{rest: data[1:]}
	switch kind {
	case FrameXLogData:
		f.XLogData = XLogData{
			Start:  pg.LSN(c.uint64()),
			End:    pg.LSN(c.uint64()),
			SentAt: Timestamp(c.uint64()),
		}
		f.XLogData.Payload, c.rest = c.rest, nil
	case FrameKeepalive:
		f.Keepalive = Keepalive{
			End:            pg.LSN(c.uint64()),
			SentAt:         Timestamp(c.uint64()),
			ReplyRequested: c.uint8() != 0,
		}
	default:
		return unknownKind(data[0])
	}
	if !c.done() {
		return c.err(kind.String(), len(data))
	}
	f.Kind = kind
	return nil
}

// String names the kind.
func (k FrameKind) String() string {
	switch k {
	case FrameXLogData:
		return "XLogData frame"
	case FrameKeepalive:
		return "keepalive frame"
	default:
		return fmt.Sprintf("unknown frame (0x%02x)", byte(k))
	}
}
