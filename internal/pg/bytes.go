package pg

import "fmt"

// Bytes is a length, of a stretch of the log or of anything else.
type Bytes int64

// String gives it in decimal units, with one digit behind the point from 1000 on.
func (n Bytes) String() string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", int64(n))
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
}
