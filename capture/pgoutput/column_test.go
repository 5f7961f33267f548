package pgoutput_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
)

func text(s string) pgoutput.Column {
	return pgoutput.Column{Kind: pgoutput.Text, Data: []byte(s)}
}

func bin(b ...byte) pgoutput.Column {
	return pgoutput.Column{Kind: pgoutput.Binary, Data: b}
}

func TestIntegersBothForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want8 := rapid.Int64().Draw(t, "int8")
		want4 := rapid.Int32().Draw(t, "int4")
		for _, c := range []pgoutput.Column{
			text(strconv.FormatInt(want8, 10)),
			bin(binary.BigEndian.AppendUint64(nil, uint64(want8))...),
		} {
			if got, err := c.Int8(); err != nil || got != want8 {
				t.Errorf("int8 in %s: %d, %v; want %d", c.Kind, got, err, want8)
			}
		}
		for _, c := range []pgoutput.Column{
			text(strconv.FormatInt(int64(want4), 10)),
			bin(binary.BigEndian.AppendUint32(nil, uint32(want4))...),
		} {
			if got, err := c.Int4(); err != nil || got != want4 {
				t.Errorf("int4 in %s: %d, %v; want %d", c.Kind, got, err, want4)
			}
		}
	})
}

func TestIntegersRefused(t *testing.T) {
	null := pgoutput.Column{Kind: pgoutput.Null}
	unchanged := pgoutput.Column{Kind: pgoutput.Unchanged}
	tests := []struct {
		name       string
		column     pgoutput.Column
		int8, int4 error
	}{
		{"null", null, pgoutput.ErrNoValue, pgoutput.ErrNoValue},
		{"unchanged", unchanged, pgoutput.ErrNoValue, pgoutput.ErrNoValue},
		{"never filled", pgoutput.Column{}, pgoutput.ErrNoValue, pgoutput.ErrNoValue},
		{"empty text", text(""), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
		{"word", text("one"), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
		{"space around", text(" 1"), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
		{"above int4", text("2147483648"), nil, pgoutput.ErrMalformed},
		{"above int8", text("9223372036854775808"), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
		{"empty binary", bin(), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
		{"4 bytes", bin(0, 0, 0, 1), pgoutput.ErrMalformed, nil},
		{"8 bytes", bin(0, 0, 0, 0, 0, 0, 0, 1), nil, pgoutput.ErrMalformed},
		{"9 bytes", bin(0, 0, 0, 0, 0, 0, 0, 1, 0), pgoutput.ErrMalformed, pgoutput.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.column.Int8(); !errors.Is(err, test.int8) {
				t.Errorf("int8: error %v, want %v", err, test.int8)
			}
			if _, err := test.column.Int4(); !errors.Is(err, test.int4) {
				t.Errorf("int4: error %v, want %v", err, test.int4)
			}
		})
	}
}

func TestTimestampTime(t *testing.T) {
	tests := []struct {
		stamp pgoutput.Timestamp
		want  time.Time
	}{
		{0, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{-1, time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
		{1_500_000, time.Date(2000, 1, 1, 0, 0, 1, 500_000_000, time.UTC)},
		// PostgreSQL: select extract(epoch from timestamptz '2026-03-01 12:00:00.000001+00' - '2000-01-01 00:00:00+00') * 1000000
		{825_681_600_000_001, time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)},
	}
	for _, test := range tests {
		if got := test.stamp.Time(); !got.Equal(test.want) || got.Location() != time.UTC {
			t.Errorf("%d: %v, want %v", test.stamp, got, test.want)
		}
	}
	if low, high := pgoutput.Timestamp(math.MinInt64).Time(), pgoutput.Timestamp(math.MaxInt64).Time(); !low.Before(high) {
		t.Errorf("extremes overflow: %v, %v", low, high)
	}
}
