package compare

import (
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// bucketWidth is how finely a line tells times apart at first, and maxBuckets
// how many times it tells apart at most: then the width doubles. Wider buckets
// give looser bounds, never wrong ones.
const (
	bucketWidth = 10 * time.Millisecond
	maxBuckets  = 1 << 20
)

// bounds knows, for each driver, branch and server process, the least LSN that
// any attempt sent after a given time was told: an upper bound of all commits
// acked before that time. Another process may have begun below them: a crash
// can lose commits without a trace that tells its branch apart.
type bounds map[lineKey]*line

type lineKey struct {
	driver txn.Driver
	branch pg.BranchID
	start  pg.ProcessStart
}

type line struct {
	width time.Duration
	least []pg.LSN // by time sent; 0 none
}

// add takes what one attempt was told. An unknown LSN, branch or
// process tells nothing.
func (b bounds) add(k lineKey, sent time.Duration, lsn pg.LSN) {
	if lsn == 0 || k.branch == 0 || k.start == 0 || sent < 0 {
		return
	}
	l := b[k]
	if l == nil {
		l = &line{width: bucketWidth}
		b[k] = l
	}
	l.add(sent, lsn)
}

func (l *line) add(sent time.Duration, lsn pg.LSN) {
	for sent/l.width >= maxBuckets {
		l.coarsen()
	}
	i := int(sent / l.width)
	for len(l.least) <= i {
		l.least = append(l.least, 0)
	}
	l.least[i] = lesser(l.least[i], lsn)
}

func (l *line) coarsen() {
	half := (len(l.least) + 1) / 2
	for i := range half {
		least := l.least[2*i]
		if 2*i+1 < len(l.least) {
			least = lesser(least, l.least[2*i+1])
		}
		l.least[i] = least
	}
	l.least = l.least[:half]
	l.width *= 2
}

// seal makes each bucket the least of all from it on.
func (b bounds) seal() {
	for _, l := range b {
		for i := len(l.least) - 2; i >= 0; i-- {
			l.least[i] = lesser(l.least[i], l.least[i+1])
		}
	}
}

// after gives an upper bound of the end of any commit of that process that was
// acked at the given time, or 0. Only attempts of later buckets are sure to
// have been sent after it.
func (b bounds) after(k lineKey, acked time.Duration) pg.LSN {
	l := b[k]
	if l == nil || acked < 0 {
		return 0
	}
	if i := int(acked/l.width) + 1; i < len(l.least) {
		return l.least[i]
	}
	return 0
}

// lesser is the lesser of two LSNs of which 0 means unknown.
func lesser(a, b pg.LSN) pg.LSN {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
