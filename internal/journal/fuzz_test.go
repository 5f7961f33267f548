package journal

import (
	"bytes"
	"os"
	"testing"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// FuzzReader feeds bytes of any kind. Whatever is presented must be a frame that
// lies there undamaged, in order, and each worker's seqs must ascend.
func FuzzReader(f *testing.F) {
	b, err := os.ReadFile(written(f))
	must(f, err)
	f.Add(b)
	f.Add(b[:len(b)-5])
	f.Add(append(bytes.Clone(b), b...))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := newReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		at, last := int64(0), map[txn.Worker]txn.Seq{}
		for frame, err := range r.Frames() {
			if err != nil {
				t.Fatal(err)
			}
			if frame.From < at || frame.End <= frame.From || frame.End > int64(len(b)) {
				t.Fatalf("frame %d to %d after %d", frame.From, frame.End, at)
			}
			at = frame.End
			if _, _, size := unframe(b[frame.From:]); int64(size) != frame.End-frame.From {
				t.Fatalf("no frame lies at %d", frame.From)
			}
			e, ok := frame.Body.(Entries)
			if !ok {
				continue
			}
			if e.First <= last[e.Worker] || e.Len() < 1 {
				t.Fatalf("worker %d: %d entries from seq %d after %d", e.Worker, e.Len(), e.First, last[e.Worker])
			}
			last[e.Worker] = e.Last()
		}
		if torn, _ := r.Torn(); torn > int64(len(b)) || torn < at {
			t.Fatalf("torn at %d of %d, frames end at %d", torn, len(b), at)
		}
		for _, h := range r.Holes() {
			if h.From > h.To || h.To > int64(len(b)) || h.Why == "" {
				t.Fatalf("hole %+v of %d bytes", h, len(b))
			}
		}
	})
}
