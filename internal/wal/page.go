package wal

import (
	"encoding/binary"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// PageBytes is the size of a page of the log (XLOG_BLCKSZ, as it is built unless
// somebody asks for another).
const PageBytes = 8192

const (
	shortHeader = 24
	longHeader  = 40

	// The bits of a page's flags.
	continued   = 0x0001 // it begins with the rest of a record
	long        = 0x0002 // its header is the long one, of a segment's first page
	overwritten = 0x0008 // the record that would go on here was given up
)

// majors are the versions by the magic number of their pages (XLOG_PAGE_MAGIC).
func majors() map[uint16]int {
	return map[uint16]int{0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18}
}

// page is the header of a page.
type page struct {
	magic    uint16
	flags    uint16
	timeline pg.Timeline
	addr     pg.LSN
	// rest is how many bytes of a record that began earlier are here and after.
	rest uint32
	// system and segment are of a long header alone.
	system  pg.SystemID
	segment uint32
	block   uint32
}

// bytes is the header's size.
func (p page) bytes() int {
	if p.flags&long != 0 {
		return longHeader
	}
	return shortHeader
}

// readPage reads the header of the page at that position; ok is false if there is
// no such page yet: what stands there is empty or of another time.
func readPage(b []byte, at pg.LSN) (p page, ok bool) {
	p = page{
		magic: binary.LittleEndian.Uint16(b), flags: binary.LittleEndian.Uint16(b[2:]),
		timeline: pg.Timeline(binary.LittleEndian.Uint32(b[4:])), addr: pg.LSN(binary.LittleEndian.Uint64(b[8:])),
		rest: binary.LittleEndian.Uint32(b[16:]),
	}
	if p.flags&long != 0 {
		p.system = pg.SystemID(binary.LittleEndian.Uint64(b[24:]))
		p.segment, p.block = binary.LittleEndian.Uint32(b[32:]), binary.LittleEndian.Uint32(b[36:])
	}
	return p, majors()[p.magic] != 0 && p.addr == at
}

// segmentOf reads the header of a segment's first page, which says what log it is
// of. The page must be whole.
func segmentOf(b []byte) (page, error) {
	p, _ := readPage(b, 0)
	switch {
	case majors()[p.magic] == 0:
		return p, fmt.Errorf("%w: its pages begin with %04X, which is not of PostgreSQL 13 to 18", ErrUnknown, p.magic)
	case p.flags&long == 0:
		return p, fmt.Errorf("%w: it does not begin with a segment's header", ErrUnknown)
	case p.block != PageBytes:
		return p, fmt.Errorf("%w: its pages have %d bytes", ErrUnknown, p.block)
	case p.segment < 1<<20 || p.segment > 1<<30 || p.segment&(p.segment-1) != 0:
		return p, fmt.Errorf("%w: it says that segments have %d bytes", ErrUnknown, p.segment)
	}
	return p, nil
}
