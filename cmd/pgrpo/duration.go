package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// duration is a flag value in Go's form, as in 1m30s; a bare number is seconds.
type duration time.Duration

// String gives Go's form; nothing is 0, which help texts leave out.
func (d *duration) String() string {
	if *d == 0 {
		return "0"
	}
	return time.Duration(*d).String()
}

// Type names the value in help texts.
func (d *duration) Type() string { return "duration" }

// Set reads the value; negative durations are refused.
func (d *duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	if seconds, bare := strconv.ParseFloat(text, 64); bare == nil {
		if !(seconds >= 0) {
			seconds = -1
		}
		v, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration: want a form such as 90s, 1m30s or 90", text)
	}
	*d = duration(v)
	return nil
}

// moreThanNothing refuses a value of 0 of the flags of these names: no default is
// put in the place of what was asked for.
func moreThanNothing(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if f := flags.Lookup(name); f != nil && f.Value.String() == "0" {
			return usageError{fmt.Errorf("--%s 0: want more than 0", name)}
		}
	}
	return nil
}
