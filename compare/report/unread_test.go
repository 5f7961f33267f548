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

// Of what was not looked at when judging stopped, nothing is told as if it were
// zero; what was counted until then is told as that.
func TestStoppedJudgementIsNoZero(t *testing.T) {
	facts := compare.Facts{Drivers: []compare.Driver{{Closed: true}}}
	res := compare.Result{Stopped: true}
	text := report.New(report.Meta{}, compare.Case{}, facts, res).Text(report.Plain)
	for _, wrong := range []string{"0 sent", "no attempt was acknowledged", "0 transactions captured", "none longer"} {
		if strings.Contains(text, wrong) {
			t.Errorf("%q is told of what was not looked at:\n%s", wrong, text)
		}
	}
	res.Attempts.Sent, res.Attempts.Acked = 3, 3
	if text = report.New(report.Meta{}, compare.Case{}, facts, res).Text(report.Plain); !strings.Contains(text, "until judging stopped") {
		t.Errorf("what was counted is told as if it were all:\n%s", text)
	}
}
