package report_test

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
)

// A load whose account could not be read is not one that sent nothing.
func TestUnreadAccountIsNoZero(t *testing.T) {
	text := report.New(report.Meta{}, compare.Case{}, compare.Facts{}, compare.Result{}).Text(report.Plain)
	for _, wrong := range []string{"0 sent", "no attempt was acknowledged"} {
		if strings.Contains(text, wrong) {
			t.Errorf("%q is told of a load of which nothing is known:\n%s", wrong, text)
		}
	}
	sent := report.New(report.Meta{}, compare.Case{}, compare.Facts{Drivers: []compare.Driver{{Closed: true}}}, compare.Result{}).Text(report.Plain)
	for _, want := range []string{"0 sent", "no attempt was acknowledged"} {
		if !strings.Contains(sent, want) {
			t.Errorf("%q is not told of a load that sent nothing:\n%s", want, sent)
		}
	}
}
