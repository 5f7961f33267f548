package compare

import "github.com/pgrpo/pgrpo/internal/txn"

// seqSet is a set of seqs of one worker, a bit each.
type seqSet []uint64

func (s *seqSet) add(seq txn.Seq) {
	for int(seq>>6) >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[seq>>6] |= 1 << (seq & 63)
}

func (s seqSet) has(seq txn.Seq) bool {
	return seq >= 0 && int(seq>>6) < len(s) && s[seq>>6]&(1<<(seq&63)) != 0
}
