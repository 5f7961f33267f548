package repo

import (
	"encoding/binary"
	"time"
)

// The frame of binary COPY (PostgreSQL's documentation of COPY, "Binary
// Format"): a signature with flags and an empty extension, rows of a field
// count and fields of length and bytes, and a trailer.
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// postgresEpoch is 2000-01-01 in microseconds since 1970, from which
// PostgreSQL counts its timestamps.
const postgresEpoch = 946684800 * 1_000_000

func appendRow(dst []byte, fields int) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(fields))
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v))
}

func appendInt32(dst []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), uint32(v))
}

func appendInt16(dst []byte, v int16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, 0, 0, 0, 2), uint16(v))
}

func appendByte(dst []byte, v byte) []byte { return append(dst, 0, 0, 0, 1, v) }

func appendBytes(dst, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}

func appendTime(dst []byte, t time.Time) []byte {
	return appendInt64(dst, t.UnixMicro()-postgresEpoch)
}

// fields reads the columns of one binary row in turn. The first column of
// another width than expected makes it bad; the rest are zero.
type fields struct {
	raw [][]byte
	bad bool
}

func (f *fields) next(width int) []byte {
	if f.bad || len(f.raw) == 0 || len(f.raw[0]) != width {
		f.bad = true
		return make([]byte, width)
	}
	b := f.raw[0]
	f.raw = f.raw[1:]
	return b
}

func (f *fields) int64() int64 { return int64(binary.BigEndian.Uint64(f.next(8))) }
func (f *fields) int32() int32 { return int32(binary.BigEndian.Uint32(f.next(4))) }
func (f *fields) byte() byte   { return f.next(1)[0] }

func (f *fields) time() time.Time { return time.UnixMicro(f.int64() + postgresEpoch).UTC() }

// bytes is the last column, of any width.
func (f *fields) bytes() []byte {
	if f.bad || len(f.raw) != 1 {
		f.bad = true
		return nil
	}
	return f.raw[0]
}
