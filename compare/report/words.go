package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// count is a number as people read it: in groups of three from five digits on.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	if n < 10_000 {
		return digits
	}
	first := (len(digits)-1)%3 + 1
	groups := []string{digits[:first]}
	for i := first; i < len(digits); i += 3 {
		groups = append(groups, digits[i:i+3])
	}
	return strings.Join(groups, " ")
}

// plural is a count with its noun in the number that fits.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// secs is a number of seconds.
func secs(s float64) string {
	if s > 0 && s < 0.995 {
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// number is a measure or a limit, without digits that say nothing.
func number(v float64) string {
	if v == float64(int64(v)) {
		return count(int64(v))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// measure is a measure or a limit of an objective, with its unit.
func measure(objective string, v float64) string {
	switch objective {
	case compare.RPOSeconds, compare.RTOGlobal, compare.RTOWorkerMax:
		return secs(v)
	case compare.RPOPayloadBytes, compare.RPOWALBytes:
		return pg.Bytes(int64(v)).String()
	default:
		return number(v)
	}
}

// clock is the time of day of a stamp or of a moment, to a tenth of a second.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.0") }

// classWords are the classes that no line of their own tells of, in plain words,
// one and many.
var classWords = map[string][2]string{
	"lost_unreplicated":    {"lost attempt that was acknowledged with a warning", "lost attempts that were acknowledged with a warning"},
	"hole":                 {"hole: lost, though later ones were kept", "holes: lost, though later ones were kept"},
	"phantom_transaction":  {"transaction that is there, though rolled back", "transactions that are there, though rolled back"},
	"alien_row":            {"transaction or row that is there, though nobody sent it", "transactions or rows that are there, though nobody sent them"},
	"torn_transaction":     {"row of a transaction that is not there", "rows of transactions that are not there"},
	"stale_row":            {"row that shows an older version", "rows that show an older version"},
	"missing_row":          {"row that is absent, though it was committed", "rows that are absent, though they were committed"},
	"resurrected_row":      {"row that is back after its delete", "rows that are back after their delete"},
	"corrupt_row":          {"row with other content than was written", "rows with other content than was written"},
	"capture_disorder":     {"transaction that came out of order in the stream", "transactions that came out of order in the stream"},
	"capture_torn":         {"transaction that came in part in the stream", "transactions that came in part in the stream"},
	"capture_mismatch":     {"transaction that came with other content, or twice, in the stream", "transactions that came with other content, or twice, in the stream"},
	"witness_disagreement": {"attempt of which the witnesses disagree", "attempts of which the witnesses disagree"},
}
