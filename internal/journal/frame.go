package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/pgrpo/pgrpo/internal/txn"
)

const (
	magic   = "pgrpo ledger"
	version = 2
	// oldest is the first version, which is still read.
	oldest   = 1
	preamble = len(magic) + 4
	mark     = "\xF1pj\x8E"
	// frameHead is the size of what comes before a payload, frameOver that
	// of all but the payload.
	frameHead = 9
	frameOver = frameHead + 4
	// mostPayload bounds a payload, so that a damaged length cannot make a
	// reader take all memory.
	mostPayload = 1 << 20
)

type kind uint8

const (
	kindHeader kind = 1 + iota
	kindReserve
	kindEntries
	kindConnection
	kindProbe
	kindStall
	kindSentinel
	kindClosed
	kindEvent
	kindSlot
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is one frame of a journal and where it lies: End is the offset of the
// next one, from which reading can be resumed.
type Frame struct {
	From, End int64
	Body      Body
}

// Body is what a frame says: one of [Reserve], [Entries], [Connection], [Probe],
// [Stall], [Sentinel], [Event], [Slot] and [Closed].
type Body interface{ body() }

// Reserve tells that the worker's seqs up to and with Upto may be in use.
type Reserve struct {
	Worker txn.Worker
	Upto   txn.Seq
}

// Entries are the entries of consecutive seqs of one worker. Raw holds them in
// their binary form and is valid until the next frame is read.
type Entries struct {
	Worker txn.Worker
	First  txn.Seq
	Raw    []byte
}

// Connection is one connection that the driver made.
type Connection struct{ txn.Connection }

// Probe is one probe sample, or one connect that failed.
type Probe struct{ txn.Probe }

// Stall is one stretch in which the driver did not run as it should.
type Stall struct{ txn.Stall }

// Sentinel is one end transaction, announced before it was sent.
type Sentinel struct{ txn.Sentinel }

// Event is something that the driver saw happen to the cluster.
type Event struct{ txn.Event }

// Slot is a replication slot as the driver saw it.
type Slot struct{ txn.SlotLook }

// Closed is the end of a journal that was closed in order. Used has one record
// for each worker, with its last reserved and last taken seq.
type Closed struct{ Used []txn.Reserve }

func (Reserve) body()    {}
func (Entries) body()    {}
func (Connection) body() {}
func (Probe) body()      {}
func (Stall) body()      {}
func (Sentinel) body()   {}
func (Event) body()      {}
func (Slot) body()       {}
func (Closed) body()     {}

// Len is the number of entries.
func (e Entries) Len() int { return len(e.Raw) / txn.EntryBytes }

// Last is the seq of the last entry.
func (e Entries) Last() txn.Seq { return e.First + txn.Seq(e.Len()) - 1 }

// Decode reads the entry of seq First+i.
func (e Entries) Decode(i int) (txn.Entry, error) {
	var entry txn.Entry
	err := entry.Decode(e.Raw[i*txn.EntryBytes:])
	return entry, err
}

// begin starts a frame at the end of dst; end, given the length of dst before,
// completes it.
func begin(dst []byte, k kind) []byte {
	dst = append(dst, mark...)
	return append(dst, 0, 0, 0, 0, byte(k))
}

func end(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-frameHead))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start+4:], castagnoli))
}

// unframe reads the frame at the start of b. Its size is 0 unless b holds all of
// it, undamaged.
func unframe(b []byte) (k kind, payload []byte, size int) {
	n, ok := claimed(b)
	if !ok || len(b) < n+frameOver {
		return 0, nil, 0
	}
	if binary.LittleEndian.Uint32(b[frameHead+n:]) != crc32.Checksum(b[4:frameHead+n], castagnoli) {
		return 0, nil, 0
	}
	return kind(b[8]), b[frameHead : frameHead+n], n + frameOver
}

// claimed is the length of the payload that a frame's head tells of.
func claimed(b []byte) (int, bool) {
	if len(b) < frameHead || !bytes.HasPrefix(b, []byte(mark)) {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	return int(n), n <= mostPayload
}

// decode reads a payload. The driver is the journal's.
func decode(k kind, payload []byte, driver txn.Driver) (Body, error) {
	c := cursor{b: payload}
	var body Body
	switch k {
	case kindReserve:
		body = Reserve{txn.Worker(c.u32()), txn.Seq(c.u64())}
	case kindEntries:
		e := Entries{Worker: txn.Worker(c.u32()), First: txn.Seq(c.u64())}
		e.Raw = c.rest()
		if e.First < 1 || e.Len() < 1 || len(e.Raw)%txn.EntryBytes != 0 {
			return nil, fmt.Errorf("decode entries of worker %d from seq %d: %d bytes", e.Worker, e.First, len(e.Raw))
		}
		body = e
	case kindConnection:
		body = Connection{c.connection()}
	case kindProbe:
		body = Probe{c.probe()}
	case kindStall:
		body = Stall{txn.Stall{From: c.duration(), To: c.duration(), Cause: c.text()}}
	case kindSentinel:
		s := txn.Sentinel{Number: int32(c.u32())}
		copy(s.Nonce[:], c.take(len(s.Nonce)))
		body = Sentinel{s}
	case kindEvent:
		body = Event{txn.Event{At: c.duration(), Kind: c.text(), Body: c.own()}}
	case kindSlot:
		body = Slot{txn.SlotLook{At: c.duration(), Node: c.text(), Name: c.text(), Body: c.own()}}
	case kindClosed:
		body = c.closed(driver)
	default:
		return nil, fmt.Errorf("decode frame: unknown kind %d", k)
	}
	if !c.spent() {
		return nil, fmt.Errorf("decode frame of kind %d: %d bytes do not fit it", k, len(payload))
	}
	return body, nil
}
