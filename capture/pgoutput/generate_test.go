package pgoutput_test

import "pgregory.net/rapid"

// drawMessage makes any message of protocol version 1.
func drawMessage(t *rapid.T) wire {
	kind := rapid.SampledFrom([]byte("BCORYIUDTMA")).Draw(t, "kind")
	w := wire{kind}
	switch kind {
	case 'B':
		return w.u64(rapid.Uint64().Draw(t, "final")).u64(drawTime(t)).u32(rapid.Uint32().Draw(t, "xid"))
	case 'C':
		return w.u8(rapid.Byte().Draw(t, "flags")).u64(rapid.Uint64().Draw(t, "lsn")).u64(rapid.Uint64().Draw(t, "end")).u64(drawTime(t))
	case 'O':
		return w.u64(rapid.Uint64().Draw(t, "lsn")).str(drawName(t))
	case 'R':
		return drawRelation(t, w)
	case 'Y':
		return w.u32(rapid.Uint32().Draw(t, "oid")).str(drawName(t)).str(drawName(t))
	case 'I':
		return drawTuple(t, w.u32(rapid.Uint32().Draw(t, "oid")).u8('N'))
	case 'U':
		w = w.u32(rapid.Uint32().Draw(t, "oid"))
		if old := rapid.SampledFrom([]byte{0, 'K', 'O'}).Draw(t, "old"); old != 0 {
			w = drawTuple(t, w.u8(old))
		}
		return drawTuple(t, w.u8('N'))
	case 'D':
		return drawTuple(t, w.u32(rapid.Uint32().Draw(t, "oid")).u8(rapid.SampledFrom([]byte("KO")).Draw(t, "old")))
	case 'T':
		oids := rapid.SliceOfN(rapid.Uint32(), 0, 8).Draw(t, "oids")
		w = w.u32(uint32(len(oids))).u8(rapid.Byte().Draw(t, "options"))
		for _, oid := range oids {
			w = w.u32(oid)
		}
		return w
	case 'M':
		w = w.u8(rapid.ByteRange(0, 1).Draw(t, "flags")).u64(rapid.Uint64().Draw(t, "lsn"))
		return w.str(drawName(t)).sized(drawValue(t))
	default:
		w = w.u32(rapid.Uint32().Draw(t, "xid")).u32(rapid.Uint32().Draw(t, "subxid"))
		if rapid.Bool().Draw(t, "place") {
			w = w.u64(rapid.Uint64().Draw(t, "lsn")).u64(drawTime(t))
		}
		return w
	}
}

func drawRelation(t *rapid.T, w wire) wire {
	w = w.u32(rapid.Uint32().Draw(t, "oid")).str(drawName(t)).str(drawName(t))
	count := rapid.IntRange(0, 10).Draw(t, "columns")
	w = w.u8(rapid.SampledFrom([]byte("dnfi")).Draw(t, "identity")).u16(uint16(count))
	for range count {
		w = w.u8(rapid.Byte().Draw(t, "flags")).str(drawName(t))
		w = w.u32(rapid.Uint32().Draw(t, "type")).u32(rapid.Uint32().Draw(t, "modifier"))
	}
	return w
}

func drawTuple(t *rapid.T, w wire) wire {
	kinds := rapid.SliceOfN(rapid.SampledFrom([]byte("nutb")), 0, 10).Draw(t, "columns")
	w = w.u16(uint16(len(kinds)))
	for _, kind := range kinds {
		switch kind {
		case 't':
			w = w.text(drawValue(t))
		case 'b':
			w = w.binary(drawValue(t))
		default:
			w = w.u8(kind)
		}
	}
	return w
}

// drawTime makes a time that nanoseconds since 1970 in 64 bits can hold, which is
// how pglogrepl keeps it.
func drawTime(t *rapid.T) uint64 {
	const century = 100 * 365 * 24 * 3600 * 1_000_000
	return uint64(rapid.Int64Range(-century, century).Draw(t, "time"))
}

// drawName makes a string without a zero byte.
func drawName(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 12).Draw(t, "name"))
}

// drawValue makes any bytes.
func drawValue(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "value"))
}
