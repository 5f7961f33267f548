package report_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
)

// A server that goes on taking writes beside the survivor is named to whoever
// reads the text.
func TestZombieIsNamed(t *testing.T) {
	meta := report.Meta{Nodes: []report.Node{{Name: "old:5432", Role: "zombie"}, {Name: "new:5432", Role: "primary", Survivor: true}}}
	text := report.New(meta, compare.Case{}, compare.Facts{}, compare.Result{}).Text(report.Plain)
	if !strings.Contains(text, "Zombie    old:5432") || strings.Contains(text, "new:5432 takes") {
		t.Errorf("the zombie is not named:\n%s", text)
	}
}
