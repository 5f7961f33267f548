package pgoutput_test

import "encoding/binary"

// wire builds a message byte by byte, as the server's proto.c does.
type wire []byte

func (w wire) u8(v ...byte) wire    { return append(w, v...) }
func (w wire) u16(v uint16) wire    { return binary.BigEndian.AppendUint16(w, v) }
func (w wire) u32(v uint32) wire    { return binary.BigEndian.AppendUint32(w, v) }
func (w wire) u64(v uint64) wire    { return binary.BigEndian.AppendUint64(w, v) }
func (w wire) str(v string) wire    { return append(append(w, v...), 0) }
func (w wire) sized(v string) wire  { return append(w.u32(uint32(len(v))), v...) }
func (w wire) text(v string) wire   { return w.u8('t').sized(v) }
func (w wire) binary(v string) wire { return w.u8('b').sized(v) }

// insert5 is an Insert of five text columns of 20 bytes each.
func insert5() []byte {
	w := wire("I").u32(16385).u8('N').u16(5)
	for range 5 {
		w = w.text("01234567890123456789")
	}
	return w
}
