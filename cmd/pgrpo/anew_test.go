package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/compare"
)

// What is not given anew stays as it was asked before, and each flag changes what
// it is for and nothing else.
func TestLimitsAnew(t *testing.T) {
	n, d := int64(7), 7*time.Minute
	before := compare.Case{
		Run: 5, Seed: 6, Acks: compare.PlainAcks, Expect: compare.ExpectFault, OutageThreshold: time.Hour, Payload: compare.PayloadFull,
		Limits: compare.Limits{
			Transactions: &n, Rows: &n, PayloadBytes: &n, WALBytes: &n, Span: &d, RTOGlobal: &d, RTOWorkerMax: &d, CDC: &n, Diverged: &n,
		},
	}
	anew := func(args ...string) compare.Case {
		var l limitFlags
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		l.addLimits(set)
		if err := set.Parse(args); err != nil {
			t.Fatal(err)
		}
		asked, err := l.judge()
		if err != nil {
			t.Fatal(err)
		}
		return l.anew(before, asked)
	}
	if d := cmp.Diff(before, anew()); d != "" {
		t.Errorf("nothing was given (-before +anew):\n%s", d)
	}
	two, second, none := int64(2), 2*time.Second, int64(0)
	for flag, change := range map[string]func(c *compare.Case){
		"max-rpo-transactions=2":      func(c *compare.Case) { c.Limits.Transactions = &two },
		"max-rpo-rows=2":              func(c *compare.Case) { c.Limits.Rows = &two },
		"max-rpo-bytes=2":             func(c *compare.Case) { c.Limits.PayloadBytes = &two },
		"max-rpo-wal-bytes=2":         func(c *compare.Case) { c.Limits.WALBytes = &two },
		"max-rpo-seconds=2":           func(c *compare.Case) { c.Limits.Span = &second },
		"max-rto=2":                   func(c *compare.Case) { c.Limits.RTOGlobal = &second },
		"max-diverged=2":              func(c *compare.Case) { c.Limits.Diverged = &two },
		"require-slot-survival":       func(c *compare.Case) { c.Limits.CDC = &none },
		"require-slot-survival=false": func(c *compare.Case) { c.Limits.CDC = nil },
		"strict-acks":                 func(c *compare.Case) { c.Acks = compare.StrictAcks },
		"expect=none":                 func(c *compare.Case) { c.Expect = compare.ExpectNone },
		"outage-threshold=2":          func(c *compare.Case) { c.OutageThreshold = second },
	} {
		want := before
		change(&want)
		if d := cmp.Diff(want, anew("--"+flag)); d != "" {
			t.Errorf("--%s (-want +anew):\n%s", flag, d)
		}
	}
	var l limitFlags
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	l.addLimits(set)
	tried := 0
	set.VisitAll(func(*pflag.Flag) { tried++ })
	if tried != 11 {
		t.Errorf("%d flags can be given anew, and 11 were tried", tried)
	}
}
