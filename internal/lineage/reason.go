package lineage

import (
	"strings"
	"time"
)

// timeIn is the time in a reason for which a recovery ended, zero if it has none:
// "before 2026-11-20 17:02:01.5+00" or "after ..." (PostgreSQL xlogrecovery.c,
// getRecoveryStopReason). Other reasons begin with the same words.
func timeIn(reason string) time.Time {
	word, rest, _ := strings.Cut(reason, " ")
	if word != "before" && word != "after" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
		if at, err := time.Parse(layout, rest); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
