package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// cursor walks over one message. The first read that does not fit records its
// reason and empties the cursor, so that every later read fails too, yields a
// zero, and leaves the first reason standing.
type cursor struct {
	rest   []byte
	reason string
}

// fail records why the message cannot be read.
func (c *cursor) fail(reason string) {
	if c.reason == "" {
		c.reason = reason
	}
	c.rest = nil
}

// done says whether all fields were there and nothing is left: what is left over
// is as wrong as what is missing.
func (c *cursor) done() bool { return c.reason == "" && len(c.rest) == 0 }

// err says why a message of size bytes is not done.
func (c *cursor) err(what string, size int) error {
	reason := c.reason
	if reason == "" {
		reason = fmt.Sprintf("%d bytes left over after its end", len(c.rest))
	}
	return fmt.Errorf("parse %s of %d bytes: %s: %w", what, size, reason, ErrMalformed)
}

// uint8 reads one byte.
func (c *cursor) uint8() uint8 {
	if len(c.rest) < 1 {
		c.fail("ends inside a 1-byte field")
		return 0
	}
	v := c.rest[0]
	c.rest = c.rest[1:]
	return v
}

// uint16 reads two bytes.
func (c *cursor) uint16() uint16 {
	if len(c.rest) < 2 {
		c.fail("ends inside a 2-byte field")
		return 0
	}
	v := binary.BigEndian.Uint16(c.rest)
	c.rest = c.rest[2:]
	return v
}

// uint32 reads four bytes.
func (c *cursor) uint32() uint32 {
	if len(c.rest) < 4 {
		c.fail("ends inside a 4-byte field")
		return 0
	}
	v := binary.BigEndian.Uint32(c.rest)
	c.rest = c.rest[4:]
	return v
}

// uint64 reads eight bytes.
func (c *cursor) uint64() uint64 {
	if len(c.rest) < 8 {
		c.fail("ends inside an 8-byte field")
		return 0
	}
	v := binary.BigEndian.Uint64(c.rest)
	c.rest = c.rest[8:]
	return v
}

// text reads a string up to its zero byte, which is not part of the result.
func (c *cursor) text() []byte {
	end := bytes.IndexByte(c.rest, 0)
	if end < 0 {
		c.fail("string without its final zero byte")
		return nil
	}
	v := c.rest[:end:end]
	c.rest = c.rest[end+1:]
	return v
}

// sized reads a 4-byte length and as many bytes.
func (c *cursor) sized() []byte {
	size := c.uint32()
	if uint64(size) > uint64(len(c.rest)) {
		c.fail("promises more bytes than it holds")
		return nil
	}
	v := c.rest[:size:size]
	c.rest = c.rest[size:]
	return v
}

// tuple reads the values of one row into the memory of dst. It is the inner loop
// of the package and therefore walks the bytes itself.
func (c *cursor) tuple(dst []Column) []Column {
	count := int(c.uint16())
	b := c.rest
	// Each column takes at least its kind byte, so a count beyond the remaining
	// length is false; the check keeps a short message from growing dst.
	if count > len(b) {
		c.fail("promises more columns than it holds")
		return dst[:0]
	}
	dst = slices.Grow(dst[:0], count)[:count]
	for i := range dst {
		if len(b) == 0 {
			c.fail("ends between two columns")
			return dst[:0]
		}
		kind := ColumnKind(b[0])
		switch kind {
		case Text, Binary:
			if len(b) < 5 {
				c.fail("ends inside the length of a column")
				return dst[:0]
			}
			size := binary.BigEndian.Uint32(b[1:5])
			b = b[5:]
			if uint64(size) > uint64(len(b)) {
				c.fail("ends inside the value of a column")
				return dst[:0]
			}
			dst[i] = Column{Kind: kind, Data: b[:size:size]}
			b = b[size:]
		case Null, Unchanged:
			dst[i] = Column{Kind: kind}
			b = b[1:]
		default:
			c.fail("column of an unknown kind")
			return dst[:0]
		}
	}
	c.rest = b
	return dst
}
