package report_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare/report"
)

// A run that is met though commits are gone that were acknowledged with a warning
// does not say that nothing acknowledged was lost.
func TestHeadlineOfCommitsAcknowledgedWithAWarning(t *testing.T) {
	j := met()
	j.res.RPO.Unreplicated = 30
	text := report.New(j.meta, j.c, j.facts, j.res).Text(report.Plain)
	if first, _, _ := strings.Cut(text, "\n"); !strings.Contains(first, "none lost but 30 acknowledged with a warning") {
		t.Error(first)
	}
}
