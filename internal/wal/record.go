package wal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// recordHeader is the size of a record's header (SizeOfXLogRecord).
const recordHeader = 24

// maxRecord bounds a record: more than any that PostgreSQL makes (XLogRecordMaxSize,
// 1020 MB).
const maxRecord = 1020 << 20

// Record is one record of the log. The body is valid until the next is read.
type Record struct {
	// Start is where the record begins, End where the next one does at the
	// earliest.
	Start, End pg.LSN
	// Prev is the start of the record before.
	Prev pg.LSN
	Xid  pg.Xid
	// Manager numbers the resource manager, 1 is transactions.
	Manager uint8
	Info    uint8
	// body is all that follows the header.
	body []byte
}

// header reads what stands before a record's body.
type header struct {
	length  uint32
	xid     pg.Xid
	prev    pg.LSN
	info    uint8
	manager uint8
	crc     uint32
}

func readHeader(b []byte) header {
	return header{
		length: binary.LittleEndian.Uint32(b), xid: pg.Xid(binary.LittleEndian.Uint32(b[4:])),
		prev: pg.LSN(binary.LittleEndian.Uint64(b[8:])), info: b[16], manager: b[17],
		crc: binary.LittleEndian.Uint32(b[20:]),
	}
}

// fits tells whether the checksum is the record's: it covers the body first, and
// then the header up to itself.
func (h header) fits(record []byte) bool {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, record[recordHeader:])
	return crc32.Update(sum, table, record[:20]) == h.crc
}

// align rounds up to where a record may begin (MAXALIGN).
func align(at pg.LSN) pg.LSN { return (at + 7) &^ 7 }
