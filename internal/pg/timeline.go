package pg

import (
	"fmt"
	"strconv"
	"strings"
)

// SystemID is the identifier that initdb gave a cluster and all its copies.
type SystemID uint64

// String gives the decimal form that IDENTIFY_SYSTEM answers with.
func (s SystemID) String() string { return strconv.FormatUint(uint64(s), 10) }

// ParseSystemID reads the decimal form.
func ParseSystemID(s string) (SystemID, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse system identifier %q: %w", s, err)
	}
	return SystemID(v), nil
}

// Timeline is PostgreSQL's timeline number. It is not an identity: two
// standbys promoted one after the other may carry the same number.
type Timeline uint32

// Step is one line of a timeline history file: the timeline Parent was left at
// End, the first byte that no longer belongs to it.
type Step struct {
	Parent Timeline
	End    LSN
	Reason string
}

// History lists the steps that led to a timeline, oldest first. It is empty
// for timeline 1, which has no history file.
type History []Step

// ParseHistory reads the content of a history file, as TIMELINE_HISTORY
// answers it: lines of parent timeline, switchpoint and reason, separated by
// white space, with blank lines and # comments between (PostgreSQL
// timeline.c, readTimeLineHistory).
func ParseHistory(text string) (History, error) {
	var h History
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		number, rest, _ := strings.Cut(line, "\t")
		if rest == "" {
			number, rest, _ = strings.Cut(line, " ")
		}
		at, reason, _ := strings.Cut(strings.TrimSpace(rest), "\t")
		tl, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse timeline history line %d: timeline: %w", n+1, err)
		}
		end, err := ParseLSN(strings.TrimSpace(at))
		if err != nil {
			return nil, fmt.Errorf("parse timeline history line %d: switchpoint: %w", n+1, err)
		}
		if len(h) > 0 && Timeline(tl) <= h[len(h)-1].Parent {
			return nil, fmt.Errorf("parse timeline history line %d: timeline %d does not follow %d", n+1, tl, h[len(h)-1].Parent)
		}
		h = append(h, Step{Timeline(tl), end, strings.TrimSpace(reason)})
	}
	return h, nil
}

// Text is the canonical form of the history: equal texts mean equal files, up
// to blank lines and comments. The empty text is timeline 1's.
func (h History) Text() string {
	var b strings.Builder
	for _, s := range h {
		fmt.Fprintf(&b, "%d\t%s\t%s\n", s.Parent, s.End, s.Reason)
	}
	return b.String()
}

// SegmentName is the name of the WAL file of segmentBytes bytes that holds the
// byte at lsn on that timeline (PostgreSQL xlog_internal.h, XLogFileName).
func SegmentName(tl Timeline, lsn LSN, segmentBytes uint64) string {
	segment := uint64(lsn) / segmentBytes
	perID := uint64(1<<32) / segmentBytes
	return fmt.Sprintf("%08X%08X%08X", uint32(tl), uint32(segment/perID), uint32(segment%perID))
}
