package explain

import (
	"strings"
	"time"
)

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
