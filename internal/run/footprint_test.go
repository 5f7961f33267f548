package run

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/plan"
)

func TestFootprint(t *testing.T) {
	one := footprintOf(plan.Mix{Insert: 100, MaxOps: 1, PayloadBytes: 100})
	four := footprintOf(plan.Mix{Insert: 100, MaxOps: 7, PayloadBytes: 100})
	if one.wal != 530 || four.wal != 300+4*230 {
		t.Errorf("WAL of one operation %d, of four %d", one.wal, four.wal)
	}
	if deletes := footprintOf(plan.Mix{Delete: 100, MaxOps: 1, PayloadBytes: 100}); deletes.tables != 100 {
		t.Errorf("deletes fill %d bytes beyond the marker", deletes.tables-100)
	}
	if line := one.line(1000, time.Minute); !strings.Contains(line, "32 MB of WAL") {
		t.Error(line)
	}
	if line := one.line(0, time.Minute); !strings.Contains(line, "each million transactions") {
		t.Error(line)
	}
}
