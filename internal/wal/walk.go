package wal

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// walk goes from record to record. Where the log ends it stops, and why says what
// stood there.
type walk struct {
	log *Log
	// at is where the next record is looked for, prev the start of the last one,
	// 0 before the first.
	at, prev pg.LSN
	why      string
	// givenUp says that the record under way was cut by a crash, and that the page
	// in buf begins with what was written after it.
	givenUp bool

	file *os.File
	name string
	// page is the page in buf, at pageAt; 0 is none.
	page   page
	pageAt pg.LSN
	buf    [PageBytes]byte
	record []byte
}

func (w *walk) close() {
	if w.file != nil {
		w.file.Close()
	}
}

// ends says that the log ends here.
func (w *walk) ends(format string, args ...any) (Record, bool, error) {
	w.why = fmt.Sprintf(format, args...)
	return Record{}, false, nil
}

// seek goes to the first record that begins at or past the start of the page which
// holds from, or further ahead where a longer record covers that page.
func (w *walk) seek(from pg.LSN) (Record, bool, error) {
	w.at = from - from%PageBytes
	for {
		there, err := w.load(w.at)
		if err != nil {
			return Record{}, false, err
		}
		if !there {
			return w.ends("no page of this log at %s", w.at)
		}
		if w.page.flags&continued == 0 {
			w.at += pg.LSN(w.page.bytes())
			return w.next()
		}
		room := PageBytes - w.page.bytes()
		if int(w.page.rest) < room {
			w.at = align(w.at + pg.LSN(w.page.bytes()) + pg.LSN(w.page.rest))
			return w.next()
		}
		w.at += PageBytes
	}
}

// next reads the record at w.at; ok is false where the log ends.
func (w *walk) next() (Record, bool, error) {
	start := w.at
	if start%PageBytes == 0 {
		there, err := w.load(start)
		if err != nil {
			return Record{}, false, err
		}
		if !there {
			return w.ends("no page of this log at %s", start)
		}
		start += pg.LSN(w.page.bytes())
	}
	// A header may be cut by the page's end, its length never.
	w.record = w.record[:0]
	end, ok, err := w.take(start, recordHeader, start)
	if !ok || err != nil {
		return w.after(err)
	}
	h := readHeader(w.record)
	switch {
	case h.length < recordHeader || h.length > maxRecord:
		return w.ends("no record at %s: its length would be %d", start, h.length)
	case w.prev != 0 && h.prev != w.prev || h.prev >= start:
		return w.ends("no record at %s: it does not follow the one at %s", start, w.prev)
	}
	if end, ok, err = w.take(end, int(h.length)-recordHeader, start); !ok || err != nil {
		return w.after(err)
	}
	if !h.fits(w.record) {
		return w.ends("no whole record at %s: its checksum does not fit", start)
	}
	r := Record{
		Start: start, End: align(end), Prev: h.prev, Xid: h.xid, Manager: h.manager, Info: h.info,
		body: w.record[recordHeader:],
	}
	if h.manager == 0 && h.info&0xF0 == switchSegment {
		r.End += pg.LSN(w.log.segment) - 1
		r.End -= r.End % pg.LSN(w.log.segment)
	}
	w.at, w.prev = r.End, start
	return r, true, nil
}

// after goes on behind a record that could not be taken as a whole: where a crash
// cut it and the server then began again on the next page, the log does not end.
func (w *walk) after(err error) (Record, bool, error) {
	if err == nil && w.givenUp {
		w.givenUp = false
		w.at = w.pageAt
		return w.next()
	}
	return Record{}, false, err
}

// switchSegment is the record after which the rest of a segment is empty
// (XLOG_SWITCH).
const switchSegment = 0x40

// take appends n bytes of the record that began at start, from position at on and
// over as many pages as it needs. It returns the position behind them.
func (w *walk) take(at pg.LSN, n int, start pg.LSN) (pg.LSN, bool, error) {
	for n > 0 {
		offset := int(at % PageBytes)
		there, err := w.load(at - pg.LSN(offset))
		if err != nil {
			return at, false, err
		}
		switch {
		case !there:
			w.why = fmt.Sprintf("no whole record at %s: no page of this log at %s", start, at)
			return at, false, nil
		case offset == 0 && w.page.flags&overwritten != 0:
			w.givenUp = true
			return at, false, nil
		case offset == 0 && w.page.flags&continued == 0:
			w.why = fmt.Sprintf("no whole record at %s: the page at %s does not continue it", start, at)
			return at, false, nil
		case offset == 0:
			offset = w.page.bytes()
			at += pg.LSN(offset)
		}
		part := min(n, PageBytes-offset)
		w.record = append(w.record, w.buf[offset:offset+part]...)
		at += pg.LSN(part)
		n -= part
	}
	return at, true, nil
}

// load reads the page at that position; there is false if the log has none there.
func (w *walk) load(at pg.LSN) (there bool, err error) {
	if w.pageAt == at && at != 0 {
		return true, nil
	}
	w.pageAt = 0
	name := pg.SegmentName(w.log.timeline, at, w.log.segment)
	if name != w.name {
		w.close()
		w.file, w.name = nil, ""
		f, err := w.log.open(name)
		if errors.Is(err, ErrGone) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		w.file, w.name = f, name
	}
	_, err = w.file.ReadAt(w.buf[:], int64(uint64(at)%w.log.segment))
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read WAL %s at %s: %w", name, at, err)
	}
	p, ok := readPage(w.buf[:], at)
	// A page of an earlier timeline may stand in a segment that was copied when
	// this one began; a later one never does.
	if !ok || p.timeline > w.log.timeline {
		return false, nil
	}
	w.page, w.pageAt = p, at
	return true, nil
}
