package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The errors of a file. They are wrapped with what was found and wanted.
var (
	// ErrShort says that the file ends before its content does, or goes on after.
	ErrShort = errors.New("the file has the wrong length")
	// ErrUnknown says that the file is of no layout that is known.
	ErrUnknown = errors.New("the file is of an unknown layout")
	// ErrChecksum says that the content is not what the server wrote.
	ErrChecksum = errors.New("the checksum does not fit")
)

// nameBytes is the size of a name on disk (NAMEDATALEN), its zeros included.
const nameBytes = 64

// fields reads fixed places of a file that is known to be long enough.
type fields []byte

func (f fields) u32(at int) uint32 { return binary.LittleEndian.Uint32(f[at:]) }
func (f fields) u64(at int) uint64 { return binary.LittleEndian.Uint64(f[at:]) }
func (f fields) truth(at int) bool { return f[at] != 0 }
func (f fields) name(at int) string {
	text, _, _ := bytes.Cut(f[at:at+nameBytes], []byte{0})
	return string(text)
}

// sum is the CRC-32C of the bytes, as PostgreSQL has it (port/pg_crc32c.h).
func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
