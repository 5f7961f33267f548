package repo

import (
	"database/sql/driver"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// lsn carries a position to and from a pg_lsn column, as text.
type lsn pg.LSN

// Value gives the text form.
func (l lsn) Value() (driver.Value, error) { return pg.LSN(l).String(), nil }

// Scan reads the text form.
func (l *lsn) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan position: got %T, want text", src)
	}
	v, err := pg.ParseLSN(text)
	*l = lsn(v)
	return err
}
