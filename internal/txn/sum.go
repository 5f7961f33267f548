package txn

import (
	"encoding/binary"
	"hash/crc32"
)

// Sum is the CRC-32C over (run, worker, seq, id, kind, payload), each number
// little-endian in its own width (4, 4, 8, 8, 1 bytes), as the signed integer
// that PostgreSQL stores. The writer computes it, so both servers' versions and
// platforms do not matter.
type Sum int32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SumOf is the checksum of one change.
func SumOf(id ID, row RowID, kind Kind, payload []byte) Sum {
	var head [25]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(id.Run))
	binary.LittleEndian.PutUint32(head[4:], uint32(id.Worker))
	binary.LittleEndian.PutUint64(head[8:], uint64(id.Seq))
	binary.LittleEndian.PutUint64(head[16:], uint64(row))
	head[24] = byte(kind)
	// The head is summed by hand: crc32.Update would move it to the heap.
	crc := ^uint32(0)
	for _, b := range head {
		crc = castagnoli[byte(crc)^b] ^ crc>>8
	}
	return Sum(crc32.Update(^crc, castagnoli, payload))
}

// alphabet has 64 characters, so that six bits choose one.
const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// AppendPayload appends the n bytes of ASCII text that attempt id writes into
// row. It is a function of (seed, worker, seq, row, n) alone, so that any
// survivor's content can be made again. The kind is not part of it.
func AppendPayload(dst []byte, seed uint64, id ID, row RowID, n int) []byte {
	state := Mix(seed ^ Mix(uint64(uint32(id.Worker))) ^ Mix(uint64(id.Seq)<<1) ^ Mix(uint64(row)<<2|3))
	for n > 0 {
		state += 0x9E3779B97F4A7C15
		word := Mix(state)
		for range min(n, 10) {
			dst = append(dst, alphabet[word&63])
			word >>= 6
		}
		n -= min(n, 10)
	}
	return dst
}

// Mix is the finalizer of SplitMix64: a bijection that spreads every bit. The
// plan and the payload draw all their chance from it.
func Mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
