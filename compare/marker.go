package compare

import (
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// byMarker finds, where all content is read, a marker that promises other content
// than its attempt was to write. No row tells: what a marker says of rows that
// later attempts wrote again is read nowhere else.
func (w *walk) byMarker(a txn.Attempt) error {
	s := &w.sight
	if w.c.Payload != PayloadFull || s.marker != pg.Present || s.found.Sum == w.promise(a) {
		return nil
	}
	return w.find(CorruptRow, s, "its marker promises other content than this attempt was to write")
}

// promise makes again the checksum that an attempt writes into its marker: the
// xor of those of its changes. A delete writes no payload.
func (j *judge) promise(a txn.Attempt) txn.Sum {
	var sum txn.Sum
	for _, op := range a.Ops {
		j.payload = j.payload[:0]
		if op.Kind != txn.Delete {
			j.payload = txn.AppendPayload(j.payload, j.c.Seed, a.ID, op.ID, j.c.Mix.PayloadBytes)
		}
		sum ^= txn.SumOf(a.ID, op.ID, op.Kind, j.payload)
	}
	return sum
}
