package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// readAhead is how much a scanner reads at once.
const readAhead = 1 << 18

// scanner finds frames in the bytes below limit. Its buffer holds at most one
// frame of the greatest size, so memory is bounded.
type scanner struct {
	src   io.ReaderAt
	limit int64
	base  int64
	buf   []byte
}

// peek returns the n bytes at offset, fewer only where the limit comes first.
// They are valid until the next peek.
func (s *scanner) peek(offset int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(0, s.limit-offset)))
	if from := offset - s.base; from >= 0 && from+int64(n) <= int64(len(s.buf)) {
		return s.buf[from : from+int64(n)], nil
	}
	size := int(min(int64(max(n, readAhead)), s.limit-offset))
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	s.base, s.buf = offset, s.buf[:size]
	if got, err := s.src.ReadAt(s.buf, offset); got < size {
		s.buf = s.buf[:0]
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read journal at byte %d: %w", offset, err)
	}
	return s.buf[:n], nil
}

// frame reads the frame at offset; its size is 0 where there is none whole.
func (s *scanner) frame(offset int64) (k kind, payload []byte, size int, err error) {
	b, err := s.peek(offset, frameHead)
	if err != nil {
		return 0, nil, 0, err
	}
	n, ok := claimed(b)
	if !ok || offset+int64(n+frameOver) > s.limit {
		return 0, nil, 0, nil
	}
	if b, err = s.peek(offset, n+frameOver); err != nil {
		return 0, nil, 0, err
	}
	k, payload, size = unframe(b)
	return k, payload, size, nil
}

// next finds the first undamaged frame at or after offset, if there is any.
func (s *scanner) next(offset int64) (int64, bool, error) {
	for s.limit-offset >= frameOver {
		b, err := s.peek(offset, readAhead)
		if err != nil {
			return 0, false, err
		}
		i := bytes.Index(b, []byte(mark))
		if i < 0 {
			// The last bytes may be the start of a mark.
			offset += int64(len(b) - len(mark) + 1)
			continue
		}
		offset += int64(i)
		_, _, size, err := s.frame(offset)
		if err != nil || size > 0 {
			return offset, size > 0, err
		}
		offset++
	}
	return 0, false, nil
}
