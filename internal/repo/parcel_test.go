package repo

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// seqs are made-up entries that carry their own seq.
func seqs(first txn.Seq, n int) []byte {
	raw := make([]byte, n*txn.EntryBytes)
	for i := range n {
		binary.LittleEndian.PutUint64(raw[i*txn.EntryBytes:], uint64(first)+uint64(i))
	}
	return raw
}

// However the frames come, overlap a mark or leave seqs out, each entry lies
// once in a block of its own seq, and no block is too long.
func TestParcelKeepsEveryEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := parcel{parts: map[txn.Worker]*part{}}
		next := map[txn.Worker]txn.Seq{}
		want := map[txn.Worker]map[txn.Seq]bool{}
		for range rapid.IntRange(1, 20).Draw(t, "frames") {
			w := txn.Worker(rapid.IntRange(0, 2).Draw(t, "worker"))
			first := next[w] + 1 + txn.Seq(rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(t, "left out"))
			n := rapid.IntRange(1, 3000).Draw(t, "entries")
			p.add(journal.Frame{Body: journal.Entries{Worker: w, First: first, Raw: seqs(first, n)}})
			if want[w] == nil {
				want[w] = map[txn.Seq]bool{}
			}
			for i := range n {
				want[w][first+txn.Seq(i)] = true
			}
			next[w] = first + txn.Seq(n) - 1
			if rapid.Bool().Draw(t, "seal") {
				p.seal(time.Time{})
			}
		}
		p.seal(time.Time{})
		mark := txn.Seq(rapid.IntRange(0, 4000).Draw(t, "mark"))
		for _, b := range p.blocks {
			if b.len() < 1 || b.len() > blockEntries {
				t.Fatalf("a block of %d entries", b.len())
			}
			b = b.after(mark)
			for i := range b.len() {
				seq := b.first + txn.Seq(i)
				if txn.Seq(binary.LittleEndian.Uint64(b.raw[i*txn.EntryBytes:])) != seq || seq <= mark || !want[b.worker][seq] {
					t.Fatalf("worker %d seq %d does not belong there", b.worker, seq)
				}
				delete(want[b.worker], seq)
			}
		}
		for w, left := range want {
			for seq := range left {
				if seq > mark {
					t.Fatalf("worker %d seq %d is in no block", w, seq)
				}
			}
		}
	})
}
