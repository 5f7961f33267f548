package journal

import (
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Reader reads a journal as far as it was written when it was opened. It never
// presents anything of a damaged frame. A reader belongs to one goroutine.
type Reader struct {
	src    io.ReaderAt
	closer io.Closer
	size   int64
	header Header
	headed bool
	// body is the offset of the first frame after the header.
	body  int64
	holes []Hole
	torn  int64
}

// Open opens a journal for reading and reads it once to its end, so that its
// damage is known before anything of it is used. A file that ends anywhere is no
// error, not even before its header; one that is no journal, or of another
// version, is.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	r, err := newReader(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	r.closer = f
	return r, nil
}

func newReader(src io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{src: src, size: size, body: int64(preamble)}
	if err := r.readHeader(); err != nil {
		return nil, err
	}
	w := r.walk(0)
	for {
		f, err := w.next()
		if err != nil {
			return nil, err
		}
		if f.Body == nil {
			r.holes, r.torn = w.holes, w.at
			return r, nil
		}
	}
}

func (r *Reader) readHeader() error {
	s := scanner{src: r.src, limit: r.size}
	b, err := s.peek(0, preamble)
	if err != nil {
		return err
	}
	if known := min(len(b), len(magic)); string(b[:known]) != magic[:known] {
		return fmt.Errorf("not a journal: it begins with %q", b[:known])
	}
	if len(b) < preamble {
		r.body = 0
		return nil
	}
	if v := le.Uint32(b[len(magic):]); v < oldest || v > version {
		return fmt.Errorf("version %d, this pgrpo reads versions %d to %d", v, oldest, version)
	}
	k, payload, n, err := s.frame(r.body)
	if err != nil {
		return err
	}
	if n > 0 && k == kindHeader {
		c := cursor{b: payload}
		if r.header = c.header(); !c.spent() {
			return fmt.Errorf("decode header: %d bytes do not fit it", len(payload))
		}
		r.headed = true
		r.body += int64(n)
	}
	return nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.closer.Close() }

// Header tells whose journal it is; false where the header is cut off, and the
// process had sent nothing, or damaged, which is then a hole.
func (r *Reader) Header() (Header, bool) { return r.header, r.headed }

// Holes tells the damage of the whole file, in order.
func (r *Reader) Holes() []Hole { return r.holes }

// Torn tells where the undamaged frames end, and whether bytes are left there:
// what was being written when the process or its machine died.
func (r *Reader) Torn() (int64, bool) { return r.torn, r.torn < r.size }

// Frames reads all frames after the header, to a torn tail. The error is of
// reading the file and ends it.
func (r *Reader) Frames() iter.Seq2[Frame, error] { return r.FramesFrom(0) }

// FramesFrom is [Reader.Frames] from the End of an earlier frame on.
func (r *Reader) FramesFrom(offset int64) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		w := r.walk(offset)
		for {
			f, err := w.next()
			if err != nil {
				yield(Frame{}, err)
				return
			}
			if f.Body == nil || !yield(f, nil) {
				return
			}
		}
	}
}

func (r *Reader) walk(offset int64) *walk {
	return &walk{
		scan: scanner{src: r.src, limit: r.size}, driver: r.header.Driver,
		at: max(offset, r.body), last: map[txn.Worker]txn.Seq{}, whole: offset <= r.body,
	}
}
