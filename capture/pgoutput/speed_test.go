package pgoutput_test

import (
	"testing"

	"github.com/jackc/pglogrepl"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
)

// TestNothingAllocated parses every example, and reads integers, with memory that
// was used before.
func TestNothingAllocated(t *testing.T) {
	var m pgoutput.Message
	check := func(name string, run func() error) {
		t.Helper()
		if err := run(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = run() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	insert := insert5()
	check("insert of 5 columns", func() error { return m.Parse(insert) })
	for _, e := range examples() {
		data := []byte(e.data)
		check(e.name, func() error { return m.Parse(data) })
	}

	var f pgoutput.Frame
	data := []byte(wire("w").u64(1).u64(2).u64(3).u8(insert...))
	check("data frame", func() error { return f.Parse(data) })
	alive := []byte(wire("k").u64(1).u64(2).u8(1))
	check("keepalive", func() error { return f.Parse(alive) })

	number, four, eight := text("-9223372036854775808"), bin(0, 0, 0, 1), bin(0, 0, 0, 0, 0, 0, 0, 1)
	check("int8 as text", func() error { _, err := number.Int8(); return err })
	check("int8 in binary", func() error { _, err := eight.Int8(); return err })
	check("int4 in binary", func() error { _, err := four.Int4(); return err })
}

func BenchmarkParseInsert5(b *testing.B) {
	data := insert5()
	var m pgoutput.Message
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := m.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPglogreplInsert5(b *testing.B) {
	data := insert5()
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := pglogrepl.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseColumnInt8(b *testing.B) {
	for _, c := range []pgoutput.Column{text("-1234567890123"), bin(0, 0, 1, 2, 3, 4, 5, 6)} {
		b.Run(c.Kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Int8(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
