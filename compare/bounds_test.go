package compare

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// A bound is never below the least LSN of the attempts sent after the ack, and
// says nothing only where there may be none, however coarse the line became.
func TestBoundsAreSound(t *testing.T) {
	type sent struct {
		at  time.Duration
		lsn pg.LSN
	}
	rapid.Check(t, func(t *rapid.T) {
		b := make(bounds)
		var all []sent
		longest := rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 7 * time.Hour}).Draw(t, "longest")
		for range rapid.IntRange(0, 20).Draw(t, "attempts") {
			s := sent{time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "at")), pg.LSN(rapid.Uint64Range(0, 1<<40).Draw(t, "lsn"))}
			all = append(all, s)
			b.add(lineKey{0, 1, 9}, s.at, s.lsn)
		}
		b.seal()
		width := bucketWidth
		if l := b[lineKey{0, 1, 9}]; l != nil {
			width = l.width
		}
		acked := time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "acked"))
		var exact, sure pg.LSN // over all after the ack, and over those surely in later buckets
		for _, s := range all {
			if s.at > acked {
				exact = lesser(exact, s.lsn)
			}
			if s.at >= acked+width {
				sure = lesser(sure, s.lsn)
			}
		}
		got := b.after(lineKey{0, 1, 9}, acked)
		if got != 0 && (exact == 0 || got < exact) {
			t.Fatalf("bound %v of an ack at %v, the least sent after it is %v", got, acked, exact)
		}
		if sure != 0 && (got == 0 || got > sure) {
			t.Fatalf("bound %v of an ack at %v is looser than %v", got, acked, sure)
		}
	})
}

func TestBoundsKeepDriversBranchesAndProcessesApart(t *testing.T) {
	b := make(bounds)
	b.add(lineKey{0, 1, 9}, time.Second, 100)
	b.add(lineKey{0, 0, 9}, time.Second, 50)
	b.add(lineKey{0, 1, 0}, time.Second, 50)
	b.add(lineKey{0, 1, 8}, time.Second, 50)
	b.add(lineKey{1, 1, 9}, time.Second, 60)
	b.add(lineKey{0, 2, 9}, time.Second, 70)
	b.seal()
	if got := b.after(lineKey{0, 1, 9}, 0); got != 100 {
		t.Errorf("bound %v, want 0/64", got)
	}
	for _, unknown := range []lineKey{{0, 0, 9}, {0, 1, 0}} {
		if got := b.after(unknown, 0); got != 0 {
			t.Errorf("an unknown branch or process has the bound %v", got)
		}
	}
}
