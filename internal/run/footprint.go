package run

import (
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/plan"
)

// footprint estimates what the load writes on the primary: bytes of WAL and of
// tables with their indexes, for one transaction of average size. The constants
// are those of a heap row with its index entry and of a commit record, without
// full-page images, which a checkpoint adds, and as if no space were used again.
type footprint struct{ wal, tables int64 }

func footprintOf(m plan.Mix) footprint {
	ops := int64(1+m.MaxOps) * 50 // hundredths of an operation
	writes := ops * int64(m.Insert+m.Update) / 100
	return footprint{
		wal:    300 + (ops*130+writes*int64(m.PayloadBytes))/100,
		tables: 100 + writes*int64(100+m.PayloadBytes)/100,
	}
}

// line says it for a person: for the whole load where its rate is known, else
// for each million transactions.
func (f footprint) line(rate float64, load time.Duration) string {
	n, what := 1e6, "each million transactions writes"
	if rate > 0 {
		n, what = rate*load.Seconds(), "the load writes"
	}
	return fmt.Sprintf("%s about %s of WAL and %s of tables on the primary", what, megabytes(float64(f.wal)*n), megabytes(float64(f.tables)*n))
}

func megabytes(n float64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", n/1e6)
	}
	return fmt.Sprintf("%.1f GB", n/1e9)
}
