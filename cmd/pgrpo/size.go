package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a flag value in bytes, with a unit of PostgreSQL's (kB, MB, GB, TB,
// each 1024 of the one before) or without.
type size int64

// String gives the greatest unit that makes a whole number of it.
func (s *size) String() string {
	for _, u := range units() {
		if n := int64(*s); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0"
}

type unit struct {
	name  string
	bytes int64
}

// units are PostgreSQL's, the greatest first.
func units() []unit {
	return []unit{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"", 1}}
}

// Type names the value in help texts.
func (s *size) Type() string { return "size" }

// Set reads the value; negative sizes are refused.
func (s *size) Set(text string) error {
	for _, u := range units() {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		bytes := v * float64(u.bytes)
		// Whatever is no number fails every comparison.
		if err != nil || !(v == 0 || bytes >= 1) || !(bytes < math.MaxInt64) {
			break
		}
		*s = size(bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: want a form such as 512MB or 1GB", text)
}
