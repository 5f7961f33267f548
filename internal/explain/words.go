package explain

import (
	"fmt"
	"strings"
	"time"
)

// size is a number of bytes, in decimal units.
func size(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
}

// clock is the time of day of a moment in nanoseconds since 1970.
func clock(nanoseconds int64) string {
	return time.Unix(0, nanoseconds).UTC().Format("15:04:05.000")
}

// quote makes one word of a path for a shell. The placeholder of a directory that
// is not known stays one that the shell fills in.
func quote(path string) string {
	if strings.HasPrefix(path, `"$PGDATA"`) || !strings.ContainsAny(path, " \t\n'\"\\$`&;|<>()*?[]#~!{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
