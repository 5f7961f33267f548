package plan

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/txn"
)

var single = Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 1}

// warm is a view with a full window.
func warm(mix Mix) *View {
	v := New(mix, 1, 7, 3)
	for range 20_000 {
		v.Next()
		v.Settle(acked)
	}
	return v
}

// BenchmarkPlan is what a worker pays: one attempt of one operation.
func BenchmarkPlan(b *testing.B) {
	v := warm(single)
	b.ReportAllocs()
	for b.Loop() {
		v.Next()
		v.Settle(acked)
	}
}

// BenchmarkPlanOfTen is one attempt of 1 to 10 operations.
func BenchmarkPlanOfTen(b *testing.B) {
	v := warm(Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 10})
	b.ReportAllocs()
	for b.Loop() {
		v.Next()
		v.Settle(acked)
	}
}

// BenchmarkReplay is what the judge pays: an entry is decoded first.
func BenchmarkReplay(b *testing.B) {
	var ledger []byte
	const block = 1024
	for seq := range txn.Seq(block) {
		ledger = varied(seq + 1).Append(ledger)
	}
	v, at := warm(single), 0
	b.ReportAllocs()
	for b.Loop() {
		var e txn.Entry
		if err := e.Decode(ledger[at:]); err != nil {
			b.Fatal(err)
		}
		v.Next()
		v.Settle(e)
		if at += txn.EntryBytes; at == len(ledger) {
			at = 0
		}
	}
}

func TestPlanDoesNotAllocate(t *testing.T) {
	for _, mix := range []Mix{single, mixed, {Insert: 50, Update: 30, Delete: 20, MaxOps: 32}} {
		v, seq := warm(mix), txn.Seq(0)
		if n := testing.AllocsPerRun(5000, func() {
			seq++
			v.Next()
			v.Settle(varied(seq))
		}); n != 0 {
			t.Errorf("%+v: %v allocations an attempt", mix, n)
		}
	}
}
