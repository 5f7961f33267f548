// Package pg holds PostgreSQL's own nouns as pure values: log positions,
// transaction ids, timelines, their histories, and the branches that pgrpo
// tells apart. It talks to no server and imports nothing of pgrpo.
package pg

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a byte position in the write-ahead log. It means nothing without the
// branch that it was read on; see [Position].
type LSN uint64

// Xid is the 32-bit transaction id that the WAL and the logical stream carry.
// It wraps and is used again after a loss, so it is never a key alone.
type Xid uint32

// String gives the text form "%X/%X" of PostgreSQL 13 to 18.
func (l LSN) String() string {
	return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l))
}

// ParseLSN reads the text form strictly: two halves of one to eight
// hexadecimal digits, one slash, and nothing else. It accepts the zero-padded
// low half of PostgreSQL 19.
func ParseLSN(s string) (LSN, error) {
	hi, lo, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("parse LSN %q: want two hexadecimal halves and a slash, as in 0/16B3748", s)
	}
	h, err := half(hi)
	if err != nil {
		return 0, fmt.Errorf("parse LSN %q: upper half: %w", s, err)
	}
	l, err := half(lo)
	if err != nil {
		return 0, fmt.Errorf("parse LSN %q: lower half: %w", s, err)
	}
	return LSN(h<<32 | l), nil
}

func half(s string) (uint64, error) {
	if len(s) == 0 || len(s) > 8 {
		return 0, fmt.Errorf("want 1 to 8 hexadecimal digits, found %d characters", len(s))
	}
	for _, c := range []byte(s) {
		digit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if !digit {
			return 0, fmt.Errorf("%q is no hexadecimal digit", c)
		}
	}
	return strconv.ParseUint(s, 16, 32)
}

// MarshalText writes the text form, so that JSON carries LSNs as strings.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the text form as strictly as [ParseLSN].
func (l *LSN) UnmarshalText(b []byte) error {
	v, err := ParseLSN(string(b))
	if err != nil {
		return err
	}
	*l = v
	return nil
}
