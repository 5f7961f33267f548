package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// mostText is the longest string that a payload holds.
const mostText = 1<<16 - 1

// le appends little-endian numbers.
var le = binary.LittleEndian

func appendText(dst []byte, s string) []byte {
	s = s[:min(len(s), mostText)]
	return append(le.AppendUint16(dst, uint16(len(s))), s...)
}

func appendHeader(dst []byte, h Header) []byte {
	start := len(dst)
	dst = begin(dst, kindHeader)
	dst = le.AppendUint32(dst, uint32(h.Run))
	dst = le.AppendUint32(dst, uint32(h.Driver))
	dst = le.AppendUint64(dst, uint64(h.Started.UnixNano()))
	dst = le.AppendUint32(dst, uint32(h.Pid))
	return end(appendText(dst, h.Host), start)
}

func appendReserve(dst []byte, w txn.Worker, upto txn.Seq) []byte {
	start := len(dst)
	dst = begin(dst, kindReserve)
	dst = le.AppendUint32(dst, uint32(w))
	return end(le.AppendUint64(dst, uint64(upto)), start)
}

func appendEntries(dst []byte, w txn.Worker, first txn.Seq, raw []byte) []byte {
	start := len(dst)
	dst = begin(dst, kindEntries)
	dst = le.AppendUint32(dst, uint32(w))
	dst = le.AppendUint64(dst, uint64(first))
	return end(append(dst, raw...), start)
}

// appendConnection fails where the history or the texts are too long to be kept
// whole.
func appendConnection(dst []byte, c txn.Connection) ([]byte, error) {
	start := len(dst)
	b := begin(dst, kindConnection)
	b = le.AppendUint32(b, c.Number)
	b = le.AppendUint32(b, uint32(c.Observer))
	b = le.AppendUint64(b, uint64(c.At))
	b = le.AppendUint64(b, uint64(c.System))
	b = le.AppendUint32(b, uint32(c.Timeline))
	b = le.AppendUint64(b, uint64(c.Start))
	b = le.AppendUint64(b, uint64(c.Insert))
	b = le.AppendUint64(b, uint64(c.Floor))
	b = append(b, byte(c.Marker))
	b = le.AppendUint32(b, uint32(c.Branch))
	b = le.AppendUint32(b, uint32(c.Backend))
	for _, s := range []string{c.Address, c.Version, c.SyncCommit, c.SyncStandbys} {
		if len(s) > mostText {
			return dst, fmt.Errorf("keep connection %d: a setting of %d bytes", c.Number, len(s))
		}
		b = appendText(b, s)
	}
	has := byte(0)
	if c.HasHistory {
		has = 1
	}
	b = le.AppendUint32(append(b, has), uint32(len(c.History)))
	for _, s := range c.History {
		b = le.AppendUint32(b, uint32(s.Parent))
		b = le.AppendUint64(b, uint64(s.End))
		if len(s.Reason) > mostText {
			return dst, fmt.Errorf("keep connection %d: a history line of %d bytes", c.Number, len(s.Reason))
		}
		b = appendText(b, s.Reason)
	}
	return endWhole(dst, b, start, fmt.Sprintf("connection %d", c.Number))
}

func appendProbe(dst []byte, p txn.Probe) []byte {
	start := len(dst)
	dst = begin(dst, kindProbe)
	dst = le.AppendUint64(dst, uint64(p.At))
	dst = le.AppendUint64(dst, uint64(p.Took))
	dst = le.AppendUint32(dst, uint32(p.Worker))
	dst = append(dst, byte(p.Fault))
	return end(append(dst, p.State[:]...), start)
}

// appendStall keeps at most 64 KiB of the cause, which is only told to people.
func appendStall(dst []byte, s txn.Stall) []byte {
	start := len(dst)
	dst = begin(dst, kindStall)
	dst = le.AppendUint64(dst, uint64(s.From))
	dst = le.AppendUint64(dst, uint64(s.To))
	return end(appendText(dst, s.Cause), start)
}

// storable tells whether the repo can take a body: a frame that it cannot take would
// keep all that follows from it.
func storable(body []byte) bool {
	return json.Valid(body) && utf8.Valid(body) && !bytes.Contains(body, []byte(`\u0000`))
}

func storableText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// appendEvent fails where the event cannot be kept whole.
func appendEvent(dst []byte, e txn.Event) ([]byte, error) {
	if !storable(e.Body) || !storableText(e.Kind) {
		return dst, fmt.Errorf("keep event %q: it is no JSON that a repo takes", e.Kind)
	}
	start := len(dst)
	b := le.AppendUint64(begin(dst, kindEvent), uint64(e.At))
	return endWhole(dst, append(appendText(b, e.Kind), e.Body...), start, "event "+e.Kind)
}

// appendSlot fails where the look cannot be kept whole.
func appendSlot(dst []byte, s txn.SlotLook) ([]byte, error) {
	if !storable(s.Body) || !storableText(s.Node) || !storableText(s.Name) {
		return dst, fmt.Errorf("keep slot %q of %q: it is no JSON that a repo takes", s.Name, s.Node)
	}
	start := len(dst)
	b := le.AppendUint64(begin(dst, kindSlot), uint64(s.At))
	return endWhole(dst, append(appendText(appendText(b, s.Node), s.Name), s.Body...), start, "slot "+s.Name)
}

// endWhole completes the frame that b has after dst, which began at start.
func endWhole(dst, b []byte, start int, what string) ([]byte, error) {
	if n := len(b) - start - frameHead; n > mostPayload {
		return dst, fmt.Errorf("keep %s: %d bytes", what, n)
	}
	return end(b, start), nil
}

func appendSentinel(dst []byte, s txn.Sentinel) []byte {
	start := len(dst)
	dst = begin(dst, kindSentinel)
	dst = le.AppendUint32(dst, uint32(s.Number))
	return end(append(dst, s.Nonce[:]...), start)
}

// closedBytes is the size of one worker's part of a closed record.
const closedBytes = 20

func appendClosed(dst []byte, used []txn.Reserve) []byte {
	start := len(dst)
	dst = begin(dst, kindClosed)
	for _, u := range used {
		dst = le.AppendUint32(dst, uint32(u.Worker))
		dst = le.AppendUint64(dst, uint64(u.Upto))
		dst = le.AppendUint64(dst, uint64(u.Used))
	}
	return end(dst, start)
}

// cursor reads a payload. A read past its end gives zeros and is remembered.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.short = nil, true
		return make([]byte, n)
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) rest() []byte            { return c.take(len(c.b)) }
func (c *cursor) own() []byte             { return bytes.Clone(c.rest()) }
func (c *cursor) u8() uint8               { return c.take(1)[0] }
func (c *cursor) u32() uint32             { return le.Uint32(c.take(4)) }
func (c *cursor) u64() uint64             { return le.Uint64(c.take(8)) }
func (c *cursor) duration() time.Duration { return time.Duration(c.u64()) }
func (c *cursor) text() string            { return string(c.take(int(le.Uint16(c.take(2))))) }

// spent tells that the payload was read to its last byte and not beyond.
func (c *cursor) spent() bool { return len(c.b) == 0 && !c.short }

func (c *cursor) header() Header {
	return Header{
		Run: txn.Run(c.u32()), Driver: txn.Driver(c.u32()), Started: time.Unix(0, int64(c.u64())),
		Pid: int(c.u32()), Host: c.text(),
	}
}

func (c *cursor) connection() txn.Connection {
	var n txn.Connection
	n.Number, n.Observer, n.At = c.u32(), int32(c.u32()), int64(c.u64())
	n.System, n.Timeline, n.Start = pg.SystemID(c.u64()), pg.Timeline(c.u32()), pg.ProcessStart(c.u64())
	n.Insert, n.Floor, n.Marker = pg.LSN(c.u64()), pg.LSN(c.u64()), pg.Presence(c.u8())
	n.Branch, n.Backend = pg.BranchID(c.u32()), int32(c.u32())
	n.Address, n.Version, n.SyncCommit, n.SyncStandbys = c.text(), c.text(), c.text(), c.text()
	n.HasHistory = c.u8() == 1
	for range c.u32() {
		if c.short {
			break
		}
		n.History = append(n.History, pg.Step{Parent: pg.Timeline(c.u32()), End: pg.LSN(c.u64()), Reason: c.text()})
	}
	return n
}

func (c *cursor) probe() txn.Probe {
	p := txn.Probe{At: c.duration(), Took: c.duration(), Worker: txn.Worker(c.u32()), Fault: txn.Fault(c.u8())}
	copy(p.State[:], c.take(len(p.State)))
	return p
}

func (c *cursor) closed(driver txn.Driver) Closed {
	var all Closed
	for len(c.b) >= closedBytes {
		all.Used = append(all.Used, txn.Reserve{
			Worker: txn.Worker(c.u32()), Driver: driver,
			Upto: txn.Seq(c.u64()), Used: txn.Seq(c.u64()), Closed: true,
		})
	}
	return all
}
