package journal

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// BenchmarkPut is what an attempt costs its worker: a seq and an entry, to a real
// file. It is bounded by the disk where the reservations are used up faster than
// they are synced.
func BenchmarkPut(b *testing.B) {
	j, err := Create(filepath.Join(b.TempDir(), "j"), head)
	must(b, err)
	a, ctx, e := j.Account(0), b.Context(), entryOf(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		seq, err := a.Next(ctx)
		if err != nil {
			b.Fatal(err)
		}
		a.Put(seq, e)
	}
	b.StopTimer()
	must(b, j.Close(ctx))
}

// BenchmarkPutMemory is the same with a disk that costs nothing.
func BenchmarkPutMemory(b *testing.B) {
	j, err := start(nowhere{}, "a.journal", head)
	must(b, err)
	a, ctx, e := j.Account(0), b.Context(), entryOf(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		seq, err := a.Next(ctx)
		if err != nil {
			b.Fatal(err)
		}
		a.Put(seq, e)
	}
	b.StopTimer()
	must(b, j.Close(ctx))
}

// nowhere is a file that takes all and keeps nothing.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Sync() error                 { return nil }
func (nowhere) Close() error                { return nil }

// BenchmarkFrame is the making of one frame of n entries, checksum included.
func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{1, 20, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			raw := bytes.Repeat(entryOf(0, 1).Append(nil), n)
			var buf []byte
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				buf = appendEntries(buf[:0], 0, 1, raw)
			}
		})
	}
}

// BenchmarkRead is the reading of a journal of 64 frames of 1024 entries.
func BenchmarkRead(b *testing.B) {
	file := appendHeader(le.AppendUint32([]byte(magic), version), head)
	raw := bytes.Repeat(entryOf(0, 1).Append(nil), 1024)
	for i := range txn.Seq(64) {
		file = appendEntries(file, 0, 1+i*1024, raw)
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := newReader(bytes.NewReader(file), int64(len(file)))
		must(b, err)
		n := 0
		for f, err := range r.Frames() {
			must(b, err)
			n += f.Body.(Entries).Len()
		}
		if n != 64*1024 {
			b.Fatal(n)
		}
	}
}

func TestPutDoesNotAllocate(t *testing.T) {
	j, err := start(nowhere{}, "a.journal", head)
	must(t, err)
	a, ctx := j.Account(0), context.Background()
	// Both buffers have grown to what a reservation can fill.
	put(t, a, 20*reserveSeqs)
	if n := testing.AllocsPerRun(5000, func() {
		seq, err := a.Next(ctx)
		if err != nil {
			t.Error(err)
		}
		a.Put(seq, txn.Entry{})
	}); n != 0 {
		t.Errorf("%v allocations an attempt", n)
	}
	must(t, j.Close(ctx))
}
