package report_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
)

// A node that did not answer, or was not asked, is named beside the survivor to
// whoever reads the text: it may have taken over.
func TestUnheardNodesAreNamed(t *testing.T) {
	nodes := []report.Node{{Name: "dead:5432", Role: "unreachable"}, {Name: "other:5432", Role: "unasked"}, {Name: "new:5432", Role: "primary", Survivor: true}}
	text := func(nodes []report.Node) string {
		return report.New(report.Meta{Nodes: nodes}, compare.Case{}, compare.Facts{}, compare.Result{}).Text(report.Plain)
	}
	got := text(nodes)
	for _, want := range []string{"Unheard   dead:5432 did not answer", "other:5432, a node of the run, was not asked"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said:\n%s", want, got)
		}
	}
	if got := text(nodes[2:]); strings.Contains(got, "Unheard") {
		t.Errorf("all were heard:\n%s", got)
	}
}
